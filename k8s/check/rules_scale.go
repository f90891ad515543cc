package check

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// replaying are the apps whose replicas cost more than they give (docs/kubernetes.md, Scale), and how many there may be of each.
var replaying = []string{"inventory", "order", "sidecart"}

const maxReplaying = 3

var scaleRules = []Rule{
	{"autoscaler", "replicas do not follow the load", func(s *Shop, r report) {
		for _, d := range of[appsv1.Deployment](s) {
			var scaled bool
			for _, h := range of[autoscalingv2.HorizontalPodAutoscaler](s) {
				target := h.v.Spec.ScaleTargetRef
				if target.Kind != "Deployment" || target.Name != d.Name {
					continue
				}
				scaled = true
				if !measures(h.v, autoscalingv2.ResourceMetricSourceType, "cpu") || !measures(h.v, autoscalingv2.PodsMetricSourceType, "http_requests_in_flight") {
					r(h.Object, "should go by cpu and by http_requests_in_flight")
				}
				for _, m := range h.v.Spec.Metrics {
					if m.Resource != nil && m.Resource.Target.Type != autoscalingv2.AverageValueMetricType {
						r(h.Object, "%s: a utilization is a part of what is requested, which is little: AverageValue", m.Resource.Name)
					}
				}
				if slices.Contains(replaying, d.Name) && h.v.Spec.MaxReplicas > maxReplaying {
					r(h.Object, "maxReplicas above %d: each replica applies what all commit, so more do less", maxReplaying)
				}
				if h.v.Spec.MinReplicas == nil || *h.v.Spec.MinReplicas > h.v.Spec.MaxReplicas {
					r(h.Object, "minReplicas should be given, and not above maxReplicas")
				}
				if d.v.Spec.Replicas != nil {
					r(d.Object, "spec.replicas would undo the autoscaler at every apply")
				}
			}
			if !scaled {
				r(d.Object, "no HorizontalPodAutoscaler has it as its target")
			}
		}
	}},
	{"disruption-budget", "draining a node can stop a service", func(s *Shop, r report) {
		for _, d := range of[appsv1.Deployment](s) {
			budgets := 0
			for _, b := range of[policyv1.PodDisruptionBudget](s) {
				match, err := metav1.LabelSelectorAsSelector(b.v.Spec.Selector)
				if err != nil || !match.Matches(labels.Set(d.v.Spec.Template.Labels)) {
					continue
				}
				budgets++
				if m := b.v.Spec.MaxUnavailable; m == nil || m.IntValue() != 1 {
					r(b.Object, "maxUnavailable should be 1: with 0 no node can be drained")
				}
			}
			if budgets != 1 {
				r(d.Object, "%d PodDisruptionBudgets select its pods, want 1", budgets)
			}
		}
	}},
	{"spread", "one node or zone takes every replica with it", func(s *Shop, r report) {
		for _, d := range of[appsv1.Deployment](s) {
			for _, key := range []string{"topology.kubernetes.io/zone", "kubernetes.io/hostname"} {
				if !slices.ContainsFunc(d.v.Spec.Template.Spec.TopologySpreadConstraints, func(c topology) bool {
					match, err := metav1.LabelSelectorAsSelector(c.LabelSelector)
					return c.TopologyKey == key && err == nil && match.Matches(labels.Set(d.v.Spec.Template.Labels))
				}) {
					r(d.Object, "its pods are not spread over %s", key)
				}
			}
		}
	}},
}

func measures(h *autoscalingv2.HorizontalPodAutoscaler, kind autoscalingv2.MetricSourceType, name string) bool {
	return slices.ContainsFunc(h.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool {
		switch {
		case m.Type != kind:
			return false
		case m.Resource != nil:
			return string(m.Resource.Name) == name
		case m.Pods != nil:
			return m.Pods.Metric.Name == name
		}
		return false
	})
}
