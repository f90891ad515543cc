package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecart/sidecart/k8s/cluster/sandbox"
)

// environment is a container's environment, with every reference looked up.
func (n *Node) environment(ctx context.Context, p *RunningPod, c corev1.Container) (map[string]string, error) {
	if len(c.EnvFrom) > 0 {
		return nil, fmt.Errorf("this node does not know envFrom")
	}
	env := map[string]string{"KUBERNETES_SERVICE_HOST": sandbox.Bridge, "KUBERNETES_SERVICE_PORT": "6443"}
	for _, e := range c.Env {
		value := expand(e.Value, env)
		if from := e.ValueFrom; from != nil {
			var err error
			switch {
			case from.FieldRef != nil:
				value, err = p.field(from.FieldRef.FieldPath)
			case from.SecretKeyRef != nil:
				value, err = n.secretKey(ctx, p.Object.Namespace, from.SecretKeyRef)
			default:
				err = fmt.Errorf("this node does not know where its value comes from")
			}
			if err != nil {
				return nil, fmt.Errorf("variable %s: %w", e.Name, err)
			}
		}
		env[e.Name] = value
	}
	return env, nil
}

var reference = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)

// expand replaces $(NAME) where the name is known, as Kubernetes does.
func expand(text string, env map[string]string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		if value, ok := env[ref[2:len(ref)-1]]; ok {
			return value
		}
		return ref
	})
}

// field is a field of the pod as the downward API names it.
func (p *RunningPod) field(path string) (string, error) {
	switch path {
	case "metadata.name":
		return p.Object.Name, nil
	case "metadata.namespace":
		return p.Object.Namespace, nil
	case "status.podIP":
		return p.net.IP, nil
	}
	return "", fmt.Errorf("this node does not know the field %s", path)
}

func (n *Node) secretKey(ctx context.Context, namespace string, ref *corev1.SecretKeySelector) (string, error) {
	secret, err := n.server.Client.CoreV1().Secrets(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	value, ok := secret.Data[ref.Key]
	if !ok {
		return "", fmt.Errorf("secret %s has no key %s", ref.Name, ref.Key)
	}
	return string(value), nil
}

// volume makes a pod's volume and answers its folder; the second time it is the same one.
func (n *Node) volume(ctx context.Context, p *RunningPod, name string) (string, error) {
	dir := filepath.Join(p.dir, "volumes", name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	for _, v := range p.Object.Spec.Volumes {
		if v.Name != name {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		switch {
		case v.EmptyDir != nil, v.PersistentVolumeClaim != nil:
			return dir, os.Chmod(dir, 0o777) // as nodes make them; a claim is met by nothing more than that
		case v.Projected != nil:
			for _, source := range v.Projected.Sources {
				if err := n.project(ctx, p, dir, source); err != nil {
					return "", err
				}
			}
			return dir, nil
		case v.ConfigMap != nil:
			return dir, n.project(ctx, p, dir, corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: v.ConfigMap.LocalObjectReference}})
		case v.Secret != nil:
			return dir, n.project(ctx, p, dir, corev1.VolumeProjection{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: v.Secret.SecretName}}})
		}
		return "", fmt.Errorf("this node does not know its kind")
	}
	return "", fmt.Errorf("the pod has no such volume")
}

// project writes one source of a volume into the folder.
func (n *Node) project(ctx context.Context, p *RunningPod, dir string, source corev1.VolumeProjection) error {
	core, namespace := n.server.Client.CoreV1(), p.Object.Namespace
	files := map[string][]byte{}
	switch {
	case source.ServiceAccountToken != nil:
		token, err := n.token(ctx, p.Object, *source.ServiceAccountToken)
		if err != nil {
			return err
		}
		files[source.ServiceAccountToken.Path] = []byte(token)
	case source.ConfigMap != nil:
		config, err := core.ConfigMaps(namespace).Get(ctx, source.ConfigMap.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for key, value := range config.Data {
			files[key] = []byte(value)
		}
	case source.Secret != nil:
		secret, err := core.Secrets(namespace).Get(ctx, source.Secret.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		files = secret.Data
	case source.DownwardAPI != nil:
		for _, item := range source.DownwardAPI.Items {
			value, err := p.field(item.FieldRef.FieldPath)
			if err != nil {
				return err
			}
			files[item.Path] = []byte(value)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// token asks the API server for a token of the pod's service account that is good only while the pod is there.
func (n *Node) token(ctx context.Context, pod corev1.Pod, want corev1.ServiceAccountTokenProjection) (string, error) {
	request := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
		ExpirationSeconds: want.ExpirationSeconds,
		BoundObjectRef:    &authv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if want.Audience != "" {
		request.Spec.Audiences = []string{want.Audience}
	}
	answer, err := n.server.Client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token of %s: %w", pod.Spec.ServiceAccountName, err)
	}
	return answer.Status.Token, nil
}

// Unasked names the probes that this node does not ask, as container/kind: those that run a command, because a container here has one
// program in it and no shell.
func (p *RunningPod) Unasked() []string {
	var names []string
	for _, c := range p.Containers() {
		for kind, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
			if probe != nil && probe.Exec != nil {
				names = append(names, c.Name+"/"+kind)
			}
		}
	}
	slices.Sort(names)
	return names
}

// answersProbes waits until each probe of each container has answered once, but for those that are Unasked.
func (p *RunningPod) answersProbes(ctx context.Context) error {
	for i, c := range p.Containers() {
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
			if probe == nil || probe.Exec != nil {
				continue // see Unasked
			}
			if err := readyWithin(ctx, p.containers[i], startWithin, func(ctx context.Context) error { return p.ask(ctx, c, probe) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask asks a probe once, from outside the pod as a node does.
func (p *RunningPod) ask(ctx context.Context, c corev1.Container, probe *corev1.Probe) error {
	switch {
	case probe.HTTPGet != nil:
		return Answers(ctx, "http://"+p.at(c, probe.HTTPGet.Port)+"/"+trimSlash(probe.HTTPGet.Path))
	case probe.TCPSocket != nil:
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", p.at(c, probe.TCPSocket.Port))
		if err != nil {
			return err
		}
		return conn.Close()
	}
	return Final(fmt.Errorf("container %s: this node does not know its kind of probe", c.Name))
}

func trimSlash(path string) string {
	if path != "" && path[0] == '/' {
		return path[1:]
	}
	return path
}

// at is the address of a container's port, by number or name.
func (p *RunningPod) at(c corev1.Container, port intstr.IntOrString) string {
	number := port.IntValue()
	if port.Type == intstr.String {
		for _, known := range c.Ports {
			if known.Name == port.StrVal {
				number = int(known.ContainerPort)
			}
		}
	}
	return net.JoinHostPort(p.net.IP, strconv.Itoa(number))
}
