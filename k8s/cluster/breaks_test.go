package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecart/sidecart/k8s/cluster"
)

// breaksOn is the overlay that is broken on purpose, one thing at a time, to see that the checks notice.
const breaksOn = "redis"

func (o *overlay) checkBreaks(t *testing.T, placed map[string]*cluster.RunningPod) {
	t.Run("not restricted", o.breakSecurity)
	t.Run("annotations", o.breakAnnotations)
	t.Run("misspelt fields", o.breakFields)
	t.Run("scopes", func(t *testing.T) { o.breakScopes(t, placed) })
	t.Run("identity", func(t *testing.T) { o.breakIdentity(t, placed) })
}

// admit asks the API server what it would make of a pod of the order service after a change to its template.
func (o *overlay) admit(t *testing.T, change func(*corev1.PodTemplateSpec)) (*corev1.Pod, error) {
	d, err := o.server.Client.AppsV1().Deployments(namespace).Get(t.Context(), "order", metav1.GetOptions{})
	require.NoError(t, err)
	change(&d.Spec.Template)
	pod := &corev1.Pod{ObjectMeta: d.Spec.Template.ObjectMeta, Spec: d.Spec.Template.Spec}
	pod.Name = "order-of-a-test"
	return o.server.Client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

// breakSecurity: what is not restricted is refused.
func (o *overlay) breakSecurity(t *testing.T) {
	_, err := o.admit(t, func(*corev1.PodTemplateSpec) {})
	require.NoError(t, err, "unchanged it is admitted")
	yes, no := true, false
	app := func(t *corev1.PodTemplateSpec) *corev1.SecurityContext { return t.Spec.Containers[0].SecurityContext }
	for name, change := range map[string]func(*corev1.PodTemplateSpec){
		"privileged":               func(t *corev1.PodTemplateSpec) { app(t).Privileged, app(t).AllowPrivilegeEscalation = &yes, nil },
		"allowPrivilegeEscalation": func(t *corev1.PodTemplateSpec) { app(t).AllowPrivilegeEscalation = &yes },
		"unrestricted capabilities": func(t *corev1.PodTemplateSpec) {
			app(t).Capabilities = &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}
		},
		"runAsNonRoot":   func(t *corev1.PodTemplateSpec) { t.Spec.SecurityContext.RunAsNonRoot = &no },
		"runAsUser=0":    func(t *corev1.PodTemplateSpec) { *t.Spec.SecurityContext.RunAsUser = 0 },
		"seccompProfile": func(t *corev1.PodTemplateSpec) { t.Spec.SecurityContext.SeccompProfile = nil },
		"host namespaces": func(t *corev1.PodTemplateSpec) {
			t.Spec.HostPID = true
		},
		"restricted volume types": func(t *corev1.PodTemplateSpec) {
			t.Spec.Volumes = append(t.Spec.Volumes, corev1.Volume{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}})
		},
	} {
		_, err := o.admit(t, change)
		if assert.Error(t, err, "%s is admitted", name) {
			assert.Contains(t, err.Error(), `violates PodSecurity "restricted`)
			assert.Contains(t, err.Error(), name)
		}
	}
}

// breakAnnotations: a wrong annotation changes what the sidecar is told, and the check of the sidecar says what is wrong.
func (o *overlay) breakAnnotations(t *testing.T) {
	rename := func(from, to string) func(map[string]string) {
		return func(a map[string]string) {
			a[to] = a[from]
			delete(a, from)
		}
	}
	for _, one := range []struct {
		fault  string
		change func(map[string]string)
	}{
		{"there is no container daprd", rename("dapr.io/enabled", "dapr.io/enable")},
		{"there is no container daprd", func(a map[string]string) { delete(a, "dapr.io/enable-native-sidecar") }},
		{`is not told "--app-id order"`, func(a map[string]string) { a["dapr.io/app-id"] = "ordr" }},
		{`is not told "--config sidecart"`, rename("dapr.io/config", "dapr.io/configuration")},
		{"annotation dapr.io/app-prot is unknown", rename("dapr.io/app-port", "dapr.io/app-prot")},
		{`is not told "--config sidecart"`, func(a map[string]string) { a["dapr.io/config"] = "other" }},
		{"is told of a placement service", func(a map[string]string) { a["dapr.io/placement-host-address"] = "dapr-placement-server:50005" }},
		{`is not told "--dapr-listen-addresses [::1],127.0.0.1"`, func(a map[string]string) { a["dapr.io/sidecar-listen-addresses"] = "0.0.0.0" }},
	} {
		pod, err := o.admit(t, func(template *corev1.PodTemplateSpec) { one.change(template.Annotations) })
		require.NoError(t, err)
		assert.Contains(t, strings.Join(sidecarFaults(*pod, "order"), "\n"), one.fault)
	}
	pod, err := o.admit(t, func(template *corev1.PodTemplateSpec) { template.Annotations["dapr.io/app-port"] = "7999" })
	require.NoError(t, err)
	assert.True(t, contains(sidecarOf(*pod).Args, []string{"--app-port", "7999"}), "the argument follows the annotation")
}

// breakFields: the API server refuses a field that it does not know and names it.
func (o *overlay) breakFields(t *testing.T) {
	for field, manifest := range map[string]string{
		"spec.replcas": `{apiVersion: apps/v1, kind: Deployment, metadata: {name: order, namespace: sidecart}, spec: {replcas: 2}}`,
		"scope":        `{apiVersion: dapr.io/v1alpha1, kind: Component, metadata: {name: sms, namespace: sidecart}, scope: [notify]}`,
		"accessControll": `{apiVersion: dapr.io/v1alpha1, kind: Configuration, metadata: {name: sidecart, namespace: sidecart},
			spec: {accessControll: {defaultAction: deny}}}`,
	} {
		_, err := o.server.Kubectl(t.Context(), manifest, "apply", "--validate=strict", "--dry-run=server", "-f", "-")
		assert.ErrorContains(t, err, field)
	}
}

// breakScopes: what the operator hands out follows the scopes and the Secret, and the check of it says what is wrong.
func (o *overlay) breakScopes(t *testing.T, placed map[string]*cluster.RunningPod) {
	for _, one := range []struct {
		kind, name, patch, back, app, fault string
	}{
		{"component", "sms", `{"scopes":["sidecart"]}`, `{"scopes":["notify","sidecart"]}`, "notify", "notify is not handed sms"},
		{"component", "payment-provider", `{"scopes":["payment","sidecart","order"]}`, `{"scopes":["payment","sidecart"]}`,
			"order", "order is handed payment-provider, which"},
		{"component", "state", `{"scopes":null}`, `{"scopes":["inventory","order","payment","notify","account","sidecart"]}`,
			"gateway", "gateway is handed state, which"},
		{"component", "account-secrets", `{"scopes":["account","sidecart","gateway"]}`, `{"scopes":["account","sidecart"]}`,
			"gateway", "gateway is handed account-secrets, which"},
		{"secret", "sidecart", `{"data":{"SMTP_HOST":null}}`, `{"stringData":{"SMTP_HOST":"127.0.0.1"}}`,
			"notify", "host of mail is not what the Secret says"},
	} {
		o.patch(t, one.kind, one.name, one.patch)
		o.eventuallyHanded(t, placed[one.app], one.app, func(faults []string) bool {
			return slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, one.fault) })
		})
		o.patch(t, one.kind, one.name, one.back)
		o.eventuallyHanded(t, placed[one.app], one.app, func(faults []string) bool { return len(faults) == 0 })
	}
}

func (o *overlay) patch(t *testing.T, kind, name, patch string) {
	_, err := o.server.Kubectl(t.Context(), "", "patch", kind, name, "-n", namespace, "--type=merge", "-p", patch)
	require.NoError(t, err)
}

// eventuallyHanded asks as the pod's sidecar until the check's answer is as it should be: the operator learns of a change a moment later.
func (o *overlay) eventuallyHanded(t *testing.T, p *cluster.RunningPod, app string, should func(faults []string) bool) {
	t.Helper()
	eventually(t, app, func(context.Context) error {
		got, err := o.ask(t, p, nil)
		if err != nil {
			return err
		}
		if faults := o.handedFaults(t, app, got); !should(faults) {
			return fmt.Errorf("the check says %q", faults)
		}
		return nil
	})
}

// breakIdentity: a pod gets no identity but its own.
func (o *overlay) breakIdentity(t *testing.T, placed map[string]*cluster.RunningPod) {
	_, err := o.ask(t, placed["payment"], func(args []string) []string {
		args[slices.Index(args, "--app-id")+1] = "order"
		return args
	})
	require.Error(t, err)
	assert.Contains(t, err.Error(), "app-id mismatch", errors.Unwrap(err))
}
