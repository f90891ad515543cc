package cluster_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecart/sidecart/k8s/cluster"
)

// checkInjected: Dapr's webhook has put a sidecar with the right arguments into every pod of the shop.
func (o *overlay) checkInjected(t *testing.T, pods map[string][]corev1.Pod) {
	count, injected := 0, 0
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		for _, pod := range pods[name] {
			count++
			if pod.Labels["app.kubernetes.io/part-of"] != "sidecart" {
				continue
			}
			injected++
			assert.Empty(t, sidecarFaults(pod, name), "pod %s", pod.Name)
		}
	}
	require.NotZero(t, injected)
	t.Logf("%s: the controllers made %d pods of %s; %d have the sidecar", o.name, count, strings.Join(slices.Sorted(maps.Keys(pods)), ", "), injected)
}

// sidecarOf is the container that Dapr's webhook has put in.
func sidecarOf(pod corev1.Pod) *corev1.Container {
	for _, c := range pod.Spec.InitContainers {
		if c.Name == "daprd" && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			return &c
		}
	}
	return nil
}

// followed is what becomes of each annotation: an argument with its value, an argument alone if it is "true", a variable from a Secret, or "",
// for what is seen elsewhere.
var followed = map[string]struct{ argument, alone, variable string }{
	"dapr.io/app-id":                           {argument: "--app-id"},
	"dapr.io/app-port":                         {argument: "--app-port"},
	"dapr.io/config":                           {argument: "--config"},
	"dapr.io/enable-app-health-check":          {alone: "--enable-app-health-check"},
	"dapr.io/app-health-check-path":            {argument: "--app-health-check-path"},
	"dapr.io/app-health-probe-interval":        {argument: "--app-health-probe-interval"},
	"dapr.io/app-health-probe-timeout":         {argument: "--app-health-probe-timeout"},
	"dapr.io/app-health-threshold":             {argument: "--app-health-threshold"},
	"dapr.io/block-shutdown-duration":          {argument: "--dapr-block-shutdown-duration"},
	"dapr.io/graceful-shutdown-seconds":        {argument: "--dapr-graceful-shutdown-seconds"},
	"dapr.io/scheduler-host-address":           {argument: "--scheduler-host-address"},
	"dapr.io/disable-builtin-k8s-secret-store": {alone: "--disable-builtin-k8s-secret-store"},
	"dapr.io/enable-metrics":                   {alone: "--enable-metrics"},
	"dapr.io/metrics-port":                     {argument: "--metrics-port"},
	"dapr.io/log-as-json":                      {alone: "--log-as-json"},
	"dapr.io/app-token-secret":                 {variable: "APP_API_TOKEN"},
	"dapr.io/api-token-secret":                 {variable: "DAPR_API_TOKEN"},
	// There is a sidecar at all, it is a native one, and the API server has admitted it into a restricted namespace.
	"dapr.io/enabled": {}, "dapr.io/enable-native-sidecar": {}, "dapr.io/sidecar-seccomp-profile-type": {},
	"dapr.io/placement-host-address": {}, "dapr.io/env": {}, "dapr.io/env-from-secret": {},
	"dapr.io/sidecar-cpu-request": {}, "dapr.io/sidecar-cpu-limit": {}, "dapr.io/sidecar-memory-request": {}, "dapr.io/sidecar-memory-limit": {},
}

// sidecarFaults says what of a pod's sidecar is not as its annotations and the shop want it.
func sidecarFaults(pod corev1.Pod, app string) []string {
	c := sidecarOf(pod)
	if c == nil {
		return []string{"there is no container daprd that starts before the app and stays"}
	}
	wanted := [][]string{
		{"--app-id", app}, {"--mode", "kubernetes"}, {"--enable-mtls"}, {"--config", "sidecart"}, {"--app-protocol", "http"},
		{"--control-plane-address", "dapr-api.dapr-system.svc.cluster.local:443"},
		{"--sentry-address", "dapr-sentry.dapr-system.svc.cluster.local:443"},
		{"--dapr-listen-addresses", "[::1],127.0.0.1"},
	}
	var faults []string
	for name, value := range pod.Annotations {
		if !strings.HasPrefix(name, "dapr.io/") {
			continue
		}
		follows, known := followed[name]
		switch {
		case !known:
			faults = append(faults, fmt.Sprintf("the annotation %s is unknown", name))
		case follows.argument != "":
			wanted = append(wanted, []string{follows.argument, value})
		case follows.alone != "" && value == "true":
			wanted = append(wanted, []string{follows.alone})
		case follows.variable != "" && !hasSecret(c.Env, follows.variable, value):
			faults = append(faults, fmt.Sprintf("the sidecar does not get %s from the Secret %s", follows.variable, value))
		}
	}
	for _, want := range wanted {
		if !contains(c.Args, want) {
			faults = append(faults, fmt.Sprintf("the sidecar is not told %q", strings.Join(want, " ")))
		}
	}
	if slices.Contains(c.Args, "--placement-host-address") {
		faults = append(faults, "the sidecar is told of a placement service")
	}
	slices.Sort(faults)
	return slices.Compact(faults)
}

func hasSecret(env []corev1.EnvVar, name, secret string) bool {
	return slices.ContainsFunc(env, func(e corev1.EnvVar) bool {
		return e.Name == name && e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil && e.ValueFrom.SecretKeyRef.Name == secret
	})
}

// contains tells whether a list has these members in a row.
func contains(list, row []string) bool {
	for i := range list {
		if i+len(row) <= len(list) && slices.Equal(list[i:i+len(row)], row) {
			return true
		}
	}
	return false
}

// checkHanded: over mutual TLS, the operator hands each app exactly the components that the set's files give it, with what comes from
// Secrets in them, and the Configuration and the Resiliency of the shop.
func (o *overlay) checkHanded(t *testing.T, placed map[string]*cluster.RunningPod) {
	for _, app := range o.apps(placed) {
		got, err := o.ask(t, placed[app], nil)
		require.NoError(t, err)
		assert.Equal(t, "spiffe://public/ns/"+namespace+"/"+app, got.Identity)
		assert.Empty(t, o.handedFaults(t, app, got), "app %s", app)
		assert.Contains(t, string(got.Configuration), `"accessControl"`, "app %s", app)
		assert.Equal(t, []string{"sidecart"}, got.Resiliencies, "app %s", app)
		names := strings.Join(slices.Sorted(maps.Keys(got.Components)), ", ")
		t.Logf("%s: %s is handed %s", o.name, app, cmp.Or(names, "no component"))
	}
}

// apps are the placed workloads that have a sidecar.
func (o *overlay) apps(placed map[string]*cluster.RunningPod) []string {
	var apps []string
	for _, name := range slices.Sorted(maps.Keys(placed)) {
		if sidecarOf(placed[name].Object) != nil {
			apps = append(apps, name)
		}
	}
	return apps
}

// ask gets what the operator has for the pod's sidecar. change may alter the sidecar's arguments first.
func (o *overlay) ask(t *testing.T, p *cluster.RunningPod, change func([]string) []string) (handed, error) {
	c := sidecarOf(p.Object)
	require.NotNil(t, c)
	args := c.Args[1:] // the first is the program
	if change != nil {
		args = change(slices.Clone(args))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	var got handed
	said, err := o.node.Exec(t.Context(), p, *c, self, append([]string{"as-sidecar"}, args...)...)
	if err != nil {
		return got, err
	}
	return got, json.Unmarshal([]byte(said), &got)
}

// handedFaults compares what an app was handed with the files of the set.
func (o *overlay) handedFaults(t *testing.T, app string, got handed) []string {
	files := readResources(t, filepath.Join(o.root, "components", o.set))
	require.NotEmpty(t, files)
	var faults []string
	rest := maps.Clone(got.Components)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var file struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     struct {
				Type     string
				Metadata []struct {
					Name         string
					SecretKeyRef struct{ Key string }
				}
			}
			Scopes []string
		}
		require.NoError(t, yaml.Unmarshal(text, &file))
		name := file.Metadata.Name
		if file.Kind != "Component" || name == "secrets" && o.inSecret {
			continue
		}
		one, is := rest[name]
		delete(rest, name)
		switch should := slices.Contains(file.Scopes, app); {
		case should && !is:
			faults = append(faults, fmt.Sprintf("%s is not handed %s, which %s gives it", app, name, path))
		case !should && is:
			faults = append(faults, fmt.Sprintf("%s is handed %s, which %s does not give it", app, name, path))
		case is && one.Type != file.Spec.Type:
			faults = append(faults, fmt.Sprintf("%s is a %s, not a %s", name, one.Type, file.Spec.Type))
		}
		for _, field := range file.Spec.Metadata {
			if key := field.SecretKeyRef.Key; is && o.inSecret && key != "" && one.FromSecret[field.Name] != hash(o.secret[key]) {
				faults = append(faults, fmt.Sprintf("%s of %s is not what the Secret says", field.Name, name))
			}
		}
	}
	for name := range rest {
		faults = append(faults, fmt.Sprintf("%s is handed %s, which is in no file of %s", app, name, o.set))
	}
	return faults
}
