package cluster

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// daprNamespace is where Dapr's control plane is.
const daprNamespace = "dapr-system"

//go:embed dapr.yaml
var daprManifests string

// InstallDapr installs Dapr's resource definitions and its control plane (sentry, operator, injector), and runs it on the node. module is
// the folder of the Dapr module.
func InstallDapr(ctx context.Context, s *Server, n *Node, module string) error {
	if _, err := s.Kubectl(ctx, "", "apply", "--server-side", "-f", filepath.Join(module, "charts", "dapr", "crds")); err != nil {
		return err
	}
	if _, err := s.Kubectl(ctx, "", "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"); err != nil {
		return err
	}
	if _, err := s.Apply(ctx, daprManifests); err != nil {
		return err
	}
	for _, app := range []string{"dapr-sentry", "dapr-operator", "dapr-sidecar-injector"} {
		pods, err := s.Pods(ctx, daprNamespace, "app="+app, 1)
		if err != nil {
			return err
		}
		placed, err := n.Place(ctx, pods...)
		if err != nil {
			return err
		}
		if err := n.Start(ctx, placed...); err != nil {
			return err
		}
		if app != "dapr-sentry" {
			continue
		}
		// The others need what sentry makes at its first start.
		if err := Eventually(ctx, startWithin, func(ctx context.Context) error {
			bundle, err := s.Client.CoreV1().ConfigMaps(daprNamespace).Get(ctx, "dapr-trust-bundle", metav1.GetOptions{})
			if err == nil && bundle.Data["ca.crt"] == "" {
				err = errors.New("sentry has not published its authority yet")
			}
			return err
		}); err != nil {
			return err
		}
	}
	return Eventually(ctx, startWithin, s.injects)
}

// injects asks the API server what it would make of a pod that wants a sidecar. It lets pods pass without one while it does not reach
// the webhook, and it learns of the webhook's address some time after the injector is ready.
func (s *Server) injects(ctx context.Context) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "wants-a-sidecar", Annotations: map[string]string{"dapr.io/enabled": "true"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}
	got, err := s.Client.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	if len(got.Spec.Containers) < 2 {
		return errors.New("pods get no sidecar")
	}
	return nil
}

// Pods waits until there are as many pods of the selector as wanted and answers them.
func (s *Server) Pods(ctx context.Context, namespace, selector string, wanted int) ([]corev1.Pod, error) {
	var pods []corev1.Pod
	err := Eventually(ctx, startWithin, func(ctx context.Context) error {
		list, err := s.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return err
		}
		pods = list.Items
		if len(pods) == wanted {
			return nil
		}
		return fmt.Errorf("%d pods of %s in %s, want %d%s", len(pods), selector, namespace, wanted, s.refusals(ctx, namespace))
	})
	return pods, err
}

// refusals is what the controllers said of pods that they could not make.
func (s *Server) refusals(ctx context.Context, namespace string) string {
	events, err := s.Client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=FailedCreate"})
	if err != nil {
		return ""
	}
	var said string
	for _, e := range events.Items {
		said += "; " + e.Message
	}
	return said
}
