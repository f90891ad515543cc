package check

import (
	"encoding/json"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	components "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	resiliency "github.com/dapr/dapr/pkg/apis/resiliency/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"
)

type topology = corev1.TopologySpreadConstraint

var sourceRules = []Rule{
	{"the-very-files", "what was tried on one machine is not what runs in the cluster", func(s *Shop, r report) {
		for _, c := range of[components.Component](s) {
			var file components.Component
			if err := read(s, c.Object, &file); err != nil {
				r(c.Object, "%v", err)
				continue
			}
			if c.v.SecretStore == "kubernetes" { // the one thing that is patched
				for i := range file.Spec.Metadata {
					if ref := &file.Spec.Metadata[i].SecretKeyRef; ref.Name != "" {
						ref.Name = "sidecart"
					}
				}
				file.SecretStore = c.v.SecretStore
			}
			if !strings.HasPrefix(c.File, "components/") || !equality.Semantic.DeepEqual(file.Spec, c.v.Spec) || file.SecretStore != c.v.SecretStore {
				r(c.Object, "is not what its file says")
			}
		}
		for _, p := range of[resiliency.Resiliency](s) {
			var file resiliency.Resiliency
			if err := read(s, p.Object, &file); err != nil {
				r(p.Object, "%v", err)
			} else if !strings.HasPrefix(p.File, "dapr-config/") || !equality.Semantic.DeepEqual(file.Spec, p.v.Spec) {
				r(p.Object, "is not what its file says")
			}
		}
	}},
	{"gateway-rules", "the gateway does not start, or goes on by rules that were changed since", findGatewayRules},
}

// findGatewayRules: what listens to the public finds dapr-config/gateway.yaml where it looks for it, in a volume that follows changes.
func findGatewayRules(s *Shop, r report) {
	rules, err := s.disk.ReadFile(filepath.Join(s.root, "dapr-config", "gateway.yaml"))
	if err != nil {
		r(Object{Kind: "file", Name: "gateway.yaml", File: "dapr-config"}, "%v", err)
		return
	}
	for _, p := range s.Pods {
		app := container(p.Template.Spec.Containers, appContainer)
		if app == nil || portNumber(*app, strconv.Itoa(publicPort)) == 0 {
			continue
		}
		file := env(app, "SIDECART_GATEWAY_RULES")
		mount := slices.IndexFunc(app.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == path.Dir(file) })
		if mount < 0 || app.VolumeMounts[mount].SubPath != "" || !app.VolumeMounts[mount].ReadOnly {
			r(p.Owner, "no whole volume is mounted, to be read only, at the folder of SIDECART_GATEWAY_RULES, %q", file)
			continue
		}
		volume := slices.IndexFunc(p.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == app.VolumeMounts[mount].Name })
		if volume < 0 || p.Template.Spec.Volumes[volume].ConfigMap == nil {
			r(p.Owner, "volume %s should be of a ConfigMap", app.VolumeMounts[mount].Name)
			continue
		}
		name := p.Template.Spec.Volumes[volume].ConfigMap.Name
		if name != "gateway-rules" {
			r(p.Owner, "takes its rules from ConfigMap %q: a name that changes with them replaces every gateway", name)
		}
		if config := named[corev1.ConfigMap](s, name); config == nil || config.Data[path.Base(file)] != string(rules) {
			r(p.Owner, "ConfigMap %q should have dapr-config/gateway.yaml as %s", name, path.Base(file))
		}
	}
}

// read decodes the file of an object, without kustomize.
func read(s *Shop, o Object, into any) error {
	text, err := s.disk.ReadFile(filepath.Join(s.root, filepath.FromSlash(o.File)))
	if err != nil {
		return err
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	return json.Unmarshal(asJSON, into)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func sameNames(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
