package check

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/dapr/dapr/pkg/injector/consts"
	"github.com/dapr/dapr/pkg/injector/patcher"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Version is that of Dapr: of the sidecar that is put in, and of the injector that these checks are built with (go.mod).
const Version = "1.18.2"

// Pod is a pod as a controller would make it from a template.
type Pod struct {
	Owner    Object // the Deployment or StatefulSet
	App      string // dapr.io/app-id; "" has no sidecar
	Template *corev1.PodTemplateSpec
	Injected *corev1.Pod       // with the sidecar, as Dapr's injector leaves it
	Sidecar  *corev1.Container // of Injected; nil without
}

// inject makes the pods.
func (s *Shop) inject() error {
	for _, o := range s.Objects {
		var template *corev1.PodTemplateSpec
		switch v := o.Value.(type) {
		case *appsv1.Deployment:
			template = &v.Spec.Template
		case *appsv1.StatefulSet:
			template = &v.Spec.Template
		default:
			continue
		}
		pod, err := injected(o, template, s.namespace())
		if err != nil {
			return fmt.Errorf("%s: %s: the injector: %w", o.File, o, err)
		}
		s.Pods = append(s.Pods, pod)
	}
	return nil
}

// injected applies the injector's patch, with the settings of Dapr's chart and the one that the shop asks for (capabilities are dropped).
func injected(owner Object, template *corev1.PodTemplateSpec, namespace string) (Pod, error) {
	pod := Pod{Owner: owner, Template: template, App: template.Annotations["dapr.io/app-id"]}
	before := corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	before.Name, before.Namespace = owner.Name+"-0", namespace
	c := patcher.NewSidecarConfig(&before)
	c.Mode, c.Namespace = consts.ModeKubernetes, namespace
	c.MTLSEnabled = true
	c.SidecarImage = "docker.io/daprio/daprd:" + Version
	c.OperatorAddress, c.SentryAddress = "dapr-api.dapr-system.svc.cluster.local:443", "dapr-sentry.dapr-system.svc.cluster.local:443"
	c.PlacementAddress, c.SchedulerEnabled = "dapr-placement-server.dapr-system.svc.cluster.local:50005", true
	c.ControlPlaneNamespace, c.ControlPlaneTrustDomain, c.KubeClusterDomain = "dapr-system", "cluster.local", "cluster.local"
	c.RunAsNonRoot, c.ReadOnlyRootFilesystem, c.SidecarDropALLCapabilities = true, true, true
	c.SetFromPodAnnotations()
	patch, err := c.GetPatch()
	if err != nil {
		return pod, err
	}
	text, err := json.Marshal(&before)
	if err != nil {
		return pod, err
	}
	if text, err = patch.Apply(text); err != nil {
		return pod, err
	}
	pod.Injected = &corev1.Pod{}
	if err := json.Unmarshal(text, pod.Injected); err != nil {
		return pod, err
	}
	for _, list := range [][]corev1.Container{pod.Injected.Spec.InitContainers, pod.Injected.Spec.Containers} {
		for i := range list {
			if list[i].Name == consts.SidecarContainerName {
				pod.Sidecar = &list[i]
			}
		}
	}
	return pod, nil
}

// namespace is where the overlay puts everything.
func (s *Shop) namespace() string {
	for _, o := range s.Objects {
		if o.Kind == "Namespace" {
			return o.Name
		}
	}
	return "default"
}

// annotations are those that the injector reads, with the type of their value. They stand in the tags of its configuration.
func annotations() map[string]reflect.Type {
	known := map[string]reflect.Type{}
	t := reflect.TypeFor[patcher.SidecarConfig]()
	for i := range t.NumField() {
		key, ok := t.Field(i).Tag.Lookup("annotation")
		if !ok {
			continue
		}
		kind := t.Field(i).Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		known[key] = kind
	}
	return known
}

// argument gives the value after a flag of the sidecar; ok tells whether the flag is there.
func (p Pod) argument(flag string) (value string, ok bool) {
	if p.Sidecar == nil {
		return "", false
	}
	for i, a := range p.Sidecar.Args {
		if a == flag {
			if i+1 < len(p.Sidecar.Args) {
				value = p.Sidecar.Args[i+1]
			}
			return value, true
		}
	}
	return "", false
}
