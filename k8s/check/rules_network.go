package check

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

var networkRules = []Rule{
	{"deny-by-default", "whatever is started in the namespace can call and be called", func(s *Shop, r report) {
		for _, p := range of[networkingv1.NetworkPolicy](s) {
			spec := p.v.Spec
			both := slices.Contains(spec.PolicyTypes, networkingv1.PolicyTypeIngress) && slices.Contains(spec.PolicyTypes, networkingv1.PolicyTypeEgress)
			if both && len(spec.Ingress) == 0 && len(spec.Egress) == 0 && len(spec.PodSelector.MatchLabels) == 0 && len(spec.PodSelector.MatchExpressions) == 0 {
				return
			}
		}
		r(Object{Kind: "NetworkPolicy", Name: "deny-by-default", File: s.Overlay}, "no policy denies everything to every pod")
	}},
	{"only-the-gateway", "a service can be called past its sidecar, or from outside", findOpenings},
	{"listeners", "who calls a port of the gateway finds nobody there, or it listens where nothing leads", findListeners},
	{"ways-out", "a sidecar finds no name, neighbour or server, or who breaks in can send anything anywhere", findWaysOut},
	{"selectors", "a Service, policy or budget looks for pods that are not there", func(s *Shop, r report) {
		for _, v := range of[corev1.Service](s) {
			pods := s.selected(&metav1.LabelSelector{MatchLabels: v.v.Spec.Selector})
			if len(pods) == 0 {
				r(v.Object, "spec.selector finds no pod")
			}
			for _, port := range v.v.Spec.Ports {
				for _, p := range pods {
					if !hasPort(p, port.TargetPort.String()) {
						r(v.Object, "port %s: %s has no port %s", port.Name, p.Owner, port.TargetPort.String())
					}
				}
			}
		}
		for _, p := range of[networkingv1.NetworkPolicy](s) {
			if len(s.selected(&p.v.Spec.PodSelector)) == 0 {
				r(p.Object, "spec.podSelector finds no pod")
			}
		}
	}},
	{"routes", "somebody outside gets to what is for people of the shop, or nobody gets in", findRoutes},
}

// findOpenings looks at every policy that lets something in. Anybody may come to the public ports of one app; metrics are for the
// namespace "monitoring", and sidecars are for sidecars.
func findOpenings(s *Shop, r report) {
	for _, p := range of[networkingv1.NetworkPolicy](s) {
		for _, in := range p.v.Spec.Ingress {
			for _, pod := range s.selected(&p.v.Spec.PodSelector) {
				for _, port := range numbers(in.Ports) {
					if pod.App != "" && !mayOpen(pod, port, in.From) {
						r(p.Object, "opens port %d of %s to %s", port, pod.App, from(in.From))
					}
				}
			}
		}
	}
}

// findListeners compares where an app listens to the public with the ports of its container.
func findListeners(s *Shop, r report) {
	for _, p := range s.Pods {
		app := container(p.Template.Spec.Containers, appContainer)
		if app == nil {
			continue
		}
		for setting, port := range map[string]int{"SIDECART_GATEWAY_ADDR": publicPort, "SIDECART_GATEWAY_GRPC_ADDR": grpcPort} {
			address, want := env(app, setting), "0.0.0.0:"+strconv.Itoa(port)
			announced := portNumber(*app, strconv.Itoa(port)) != 0
			switch {
			case announced && address != want:
				r(p.Owner, "has port %d and %s=%q, want %s", port, setting, address, want)
			case !announced && address != "":
				r(p.Owner, "has %s=%q and no port %d", setting, address, port)
			}
		}
	}
}

// numbers are the ports that a rule names; 0 is every port, a range, or a name, which can be any number in another pod.
func numbers(ports []networkingv1.NetworkPolicyPort) []int {
	if len(ports) == 0 {
		return []int{0}
	}
	var all []int
	for _, port := range ports {
		if port.Port == nil || port.EndPort != nil {
			all = append(all, 0)
			continue
		}
		all = append(all, port.Port.IntValue())
	}
	return all
}

func mayOpen(pod Pod, port int, peers []networkingv1.NetworkPolicyPeer) bool {
	switch port {
	case publicPort, grpcPort:
		app := container(pod.Template.Spec.Containers, appContainer)
		return app != nil && hasPort(pod, strconv.Itoa(port))
	case meshPort:
		return every(peers, func(p networkingv1.NetworkPolicyPeer) bool {
			return p.NamespaceSelector == nil && p.PodSelector != nil && p.PodSelector.MatchLabels["app.kubernetes.io/part-of"] == "sidecart"
		})
	case internalPort, metricsPort:
		return every(peers, func(p networkingv1.NetworkPolicyPeer) bool {
			return p.NamespaceSelector != nil && p.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] == "monitoring"
		})
	}
	return false
}

// every is false for no peers: those are everybody.
func every(peers []networkingv1.NetworkPolicyPeer, is func(networkingv1.NetworkPolicyPeer) bool) bool {
	return len(peers) > 0 && !slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool { return !is(p) })
}

func from(peers []networkingv1.NetworkPolicyPeer) string {
	if len(peers) == 0 {
		return "everybody"
	}
	return "more than it should"
}

// public are the paths that may be led to from outside. Who may do what there the gateway tells by tokens; what is for operators of
// the whole shop (/v1/ops) is not to be found from outside at all.
var public = []string{"/v1/orders", "/v1/inventory", "/v1/accounts", "/v1/screens", "/docs", "/openapi.json"}

func findRoutes(s *Shop, r report) {
	service := func(o Object, name string) {
		if named[corev1.Service](s, name) == nil {
			r(o, "leads to Service %q, which is not there", name)
		}
	}
	for _, i := range of[networkingv1.Ingress](s) {
		for _, rule := range i.v.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				if !slices.Contains(public, p.Path) {
					r(i.Object, "leads %q to the gateway, which is not for the public", p.Path)
				}
				if p.Backend.Service != nil {
					service(i.Object, p.Backend.Service.Name)
				}
			}
		}
	}
	for _, h := range of[gatewayv1.HTTPRoute](s) {
		for _, rule := range h.v.Spec.Rules {
			for _, m := range rule.Matches {
				if m.Path == nil || m.Path.Value == nil {
					r(h.Object, "leads every path to the gateway")
					continue
				}
				if !slices.Contains(public, *m.Path.Value) {
					r(h.Object, "leads %q to the gateway, which is not for the public", *m.Path.Value)
				}
			}
			for _, b := range rule.BackendRefs {
				service(h.Object, string(b.Name))
			}
		}
	}
}

// selected are the pods that a selector finds, as the injector leaves them.
func (s *Shop) selected(selector *metav1.LabelSelector) []Pod {
	match, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil
	}
	var found []Pod
	for _, p := range s.Pods {
		if match.Matches(labels.Set(p.Injected.Labels)) {
			found = append(found, p)
		}
	}
	return found
}

func hasPort(p Pod, port string) bool {
	return slices.ContainsFunc(containers(p.Injected), func(c corev1.Container) bool { return portNumber(c, port) != 0 })
}
