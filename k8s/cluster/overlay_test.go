package cluster_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecart/sidecart/k8s/cluster"
)

// namespace is where every overlay puts the shop.
const namespace = "sidecart"

// overlay is one folder of k8s/overlays.
type overlay struct {
	*world
	name, dir string
	set       string            // the component set that it takes its files from
	inSecret  bool              // addresses and passwords are keys of the Secret "sidecart"
	secret    map[string]string // its values: the overlay's example, but for what is elsewhere here
}

// readOverlay reads what the overlay's own file says.
func readOverlay(t *testing.T, w *world, dir string) *overlay {
	o := &overlay{world: w, name: filepath.Base(dir), dir: dir}
	file := readKustomization(t, dir)
	for _, r := range file.Resources {
		if set, ok := strings.CutPrefix(r, "../../../components/"); ok {
			o.set = set
		}
	}
	require.NotEmpty(t, o.set, "%s takes no component set", o.name)
	o.inSecret = slices.Contains(file.Components, "../../components/kubernetes-secrets")
	if o.inSecret {
		o.secret = readEnv(t, filepath.Join(dir, "secret.example.env"))
	}
	return o
}

// kustomization is what of a kustomization.yaml matters here.
type kustomization struct{ Resources, Components []string }

func readKustomization(t *testing.T, dir string) kustomization {
	text, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	require.NoError(t, err)
	var file kustomization
	require.NoError(t, yaml.Unmarshal(text, &file))
	return file
}

// readResources lists the files of a folder that its kustomization takes; there may be others, for shops outside of Kubernetes.
func readResources(t *testing.T, dir string) []string {
	var files []string
	for _, r := range readKustomization(t, dir).Resources {
		files = append(files, filepath.Join(dir, r))
	}
	return files
}

// readEnv reads lines of NAME=VALUE.
func readEnv(t *testing.T, path string) map[string]string {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			values[name] = value
		}
	}
	return values
}

// apply applies the overlay as a person does.
func (o *overlay) apply(t *testing.T) {
	said, err := o.server.Kubectl(t.Context(), "", "apply", "--server-side", "--validate=strict", "-k", o.dir)
	require.NoError(t, err)
	kinds := map[string]int{}
	for line := range strings.Lines(said) {
		kind, _, _ := strings.Cut(line, "/")
		kind, _, _ = strings.Cut(kind, ".")
		kinds[kind]++
	}
	var counted []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		counted = append(counted, fmt.Sprintf("%d %s", kinds[kind], kind))
	}
	t.Logf("%s: admitted %s", o.name, strings.Join(counted, ", "))
	space, err := o.server.Client.CoreV1().Namespaces().Get(t.Context(), namespace, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "restricted", space.Labels["pod-security.kubernetes.io/enforce"])
}

// makeSecrets makes every Secret that pods and components want, with values for this cluster.
func (o *overlay) makeSecrets(t *testing.T, pods map[string][]corev1.Pod) {
	wanted := map[string]map[string]string{keysSecret: {keysKey: o.newKeys(t)}}
	if o.inSecret {
		maps.Copy(o.secret, o.outside())
		wanted["sidecart"] = o.secret
	}
	for _, of := range pods {
		for _, c := range slices.Concat(of[0].Spec.InitContainers, of[0].Spec.Containers) {
			for _, e := range c.Env {
				if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
					continue
				}
				ref := e.ValueFrom.SecretKeyRef
				if wanted[ref.Name] == nil {
					wanted[ref.Name] = map[string]string{}
				}
				if wanted[ref.Name][ref.Key] == "" {
					wanted[ref.Name][ref.Key] = rand.Text()
				}
			}
		}
	}
	for name, data := range wanted {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data}
		_, err := o.server.Client.CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	t.Logf("%s: wants the Secrets %s", o.name, strings.Join(slices.Sorted(maps.Keys(wanted)), ", "))
}

// remove deletes everything and waits until it is gone.
func (o *overlay) remove(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	require.NoError(t, o.server.Client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}))
	assert.NoError(t, o.node.Stop(ctx, namespace))
	eventually(t, "the namespace is gone", func(ctx context.Context) error {
		_, err := o.server.Client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there: %v", err)
	})
}

// pods waits until the controllers have made as many pods of every workload as its autoscaler wants at least, and answers them by workload.
func (o *overlay) pods(t *testing.T) map[string][]corev1.Pod {
	ctx := t.Context()
	wanted := map[string]int{}
	deployments, err := o.server.Client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	for _, d := range deployments.Items {
		wanted[d.Name] = o.replicas(t, d)
	}
	sets, err := o.server.Client.AppsV1().StatefulSets(namespace).List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	for _, s := range sets.Items {
		wanted[s.Name] = int(*s.Spec.Replicas)
	}
	require.NotEmpty(t, wanted)
	pods := map[string][]corev1.Pod{}
	for name, count := range wanted {
		pods[name], err = o.server.Pods(ctx, namespace, "app.kubernetes.io/name="+name, count)
		require.NoError(t, err)
	}
	return pods
}

func (o *overlay) replicas(t *testing.T, d appsv1.Deployment) int {
	scaler, err := o.server.Client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(t.Context(), d.Name, metav1.GetOptions{})
	require.NoError(t, err, "every service has an autoscaler")
	return max(int(*d.Spec.Replicas), int(*scaler.Spec.MinReplicas))
}

// place gives one pod of each workload an address.
func (o *overlay) place(t *testing.T, pods map[string][]corev1.Pod) map[string]*cluster.RunningPod {
	placed := map[string]*cluster.RunningPod{}
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		running, err := o.node.Place(t.Context(), pods[name][0])
		require.NoError(t, err)
		placed[name] = running[0]
	}
	return placed
}
