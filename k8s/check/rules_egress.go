package check

import (
	"slices"

	components "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// dnsPort is where names are asked for, by UDP and, for long answers, by TCP.
const dnsPort = 53

// serverPorts are the ports at which a component's server listens, by the component's type. The cloud's APIs are HTTPS.
var serverPorts = map[string][]int{
	"state.redis": {6379}, "pubsub.redis": {6379},
	"state.postgresql": {5432}, "state.aws.dynamodb": {443},
	"pubsub.rabbitmq": {5671, 5672}, "pubsub.aws.snssqs": {443}, "pubsub.gcp.pubsub": {443},
	"pubsub.azure.servicebus.topics": {443, 5671}, // AMQP is 5671
	"bindings.http":                  {443}, "bindings.smtp": {465, 587},
	"secretstores.aws.secretmanager": {443}, "secretstores.gcp.secretmanager": {443}, "secretstores.azure.keyvault": {443},
	"secretstores.alicloud.parameterstore": {443},
	"secretstores.local.env":               {},
}

// findWaysOut adds up what the policies let each app's pod reach, and looks for what it needs and for what is nobody's business.
func findWaysOut(s *Shop, r report) {
	for _, p := range of[networkingv1.NetworkPolicy](s) {
		for _, out := range p.v.Spec.Egress {
			if slices.Contains(numbers(out.Ports), 0) && !every(out.To, inNamespace("dapr-system")) {
				r(p.Object, "opens every port outside: only Dapr's control plane may be reached like that")
			}
		}
	}
	for _, pod := range s.Pods {
		if !slices.Contains(apps, pod.App) {
			continue
		}
		ways := s.waysOut(pod)
		reaches := func(port int, to func(networkingv1.NetworkPolicyPeer) bool) bool {
			return slices.ContainsFunc(ways, func(w networkingv1.NetworkPolicyEgressRule) bool {
				open := numbers(w.Ports)
				return (slices.Contains(open, port) || slices.Contains(open, 0)) && (len(w.To) == 0 || slices.ContainsFunc(w.To, to))
			})
		}
		for _, protocol := range []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolTCP} {
			if !slices.ContainsFunc(ways, func(w networkingv1.NetworkPolicyEgressRule) bool {
				return (len(w.To) == 0 || slices.ContainsFunc(w.To, inNamespace("kube-system"))) && slices.ContainsFunc(w.Ports, func(p networkingv1.NetworkPolicyPort) bool {
					return p.Port != nil && p.Port.IntValue() == dnsPort && p.Protocol != nil && *p.Protocol == protocol
				})
			}) {
				r(pod.Owner, "cannot ask for names (%s, port %d)", protocol, dnsPort)
			}
		}
		if !reaches(0, inNamespace("dapr-system")) {
			r(pod.Owner, "cannot reach Dapr's control plane")
		}
		for _, other := range s.Pods {
			if other.App != "" && !reaches(meshPort, neighbour(other)) {
				r(pod.Owner, "cannot reach the sidecar of %s (port %d)", other.App, meshPort)
			}
		}
		s.findServers(pod, ways, r)
	}
}

// findServers looks for the ports of the pod's components. Servers have addresses that only an overlay knows, so anybody's will do. A
// pod without components, the gateway's, may reach no port that some component's server has, nor any place not named.
func (s *Shop) findServers(pod Pod, ways []networkingv1.NetworkPolicyEgressRule, r report) {
	var open, foreign []int
	for _, w := range ways {
		open = append(open, numbers(w.Ports)...)
	}
	has := false
	for _, c := range of[components.Component](s) {
		ports, known := serverPorts[c.v.Spec.Type]
		switch {
		case !known:
			r(c.Object, "no port is known of type %s", c.v.Spec.Type)
		case slices.Contains(c.v.Scopes, pod.App):
			has = true
			for _, port := range ports {
				if !slices.Contains(open, port) {
					r(pod.Owner, "cannot reach the server of component %s (port %d)", c.Name, port)
				}
			}
		default:
			foreign = append(foreign, ports...)
		}
	}
	if has {
		return
	}
	for _, port := range open {
		if slices.Contains(foreign, port) {
			r(pod.Owner, "has no component and may go to port %d", port)
		}
	}
	if slices.ContainsFunc(ways, func(w networkingv1.NetworkPolicyEgressRule) bool { return len(w.To) == 0 }) {
		r(pod.Owner, "has no component and may go anywhere")
	}
}

// waysOut are the egress rules of every policy that selects the pod.
func (s *Shop) waysOut(pod Pod) []networkingv1.NetworkPolicyEgressRule {
	var ways []networkingv1.NetworkPolicyEgressRule
	for _, p := range of[networkingv1.NetworkPolicy](s) {
		match, err := metav1.LabelSelectorAsSelector(&p.v.Spec.PodSelector)
		if err == nil && match.Matches(labels.Set(pod.Injected.Labels)) && slices.Contains(p.v.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
			ways = append(ways, p.v.Spec.Egress...)
		}
	}
	return ways
}

// inNamespace matches all pods of a namespace.
func inNamespace(name string) func(networkingv1.NetworkPolicyPeer) bool {
	return func(p networkingv1.NetworkPolicyPeer) bool {
		return p.PodSelector == nil && p.NamespaceSelector != nil && p.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] == name
	}
}

// neighbour matches pods of the policy's own namespace, the given one among them.
func neighbour(pod Pod) func(networkingv1.NetworkPolicyPeer) bool {
	return func(p networkingv1.NetworkPolicyPeer) bool {
		match, err := metav1.LabelSelectorAsSelector(p.PodSelector)
		return p.NamespaceSelector == nil && p.PodSelector != nil && err == nil && match.Matches(labels.Set(pod.Injected.Labels))
	}
}
