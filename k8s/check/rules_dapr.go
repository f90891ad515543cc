package check

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dapr/dapr/pkg/acl"
	components "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	configuration "github.com/dapr/dapr/pkg/apis/configuration/v1alpha1"
	"github.com/dapr/dapr/pkg/config"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// apps are all app ids that there are. Both placements have the same components, so scopes name them all.
var apps = []string{"inventory", "order", "payment", "notify", "account", "gateway", "sidecart"}

// users are the apps that use a component; no other may see it. What the store of secrets has is for their components.
var users = map[string][]string{
	"state":            {"inventory", "order", "payment", "notify", "account", "sidecart"},
	"pubsub":           {"inventory", "order", "payment", "notify", "account", "sidecart"},
	"mail":             {"notify", "sidecart"},
	"sms":              {"notify", "sidecart"},
	"payment-provider": {"payment", "sidecart"},
	accountSecrets:     {"account", "sidecart"},
	"secrets":          {"inventory", "order", "payment", "notify", "account", "sidecart"},
}

var daprRules = []Rule{
	{"annotation-known", "Dapr passes over an annotation that it does not know, and its default holds", func(s *Shop, r report) {
		known := annotations()
		for _, p := range s.Pods {
			for _, name := range sorted(p.Template.Annotations) {
				if !strings.HasPrefix(name, "dapr.io/") {
					continue
				}
				kind, ok := known[name]
				if !ok {
					r(p.Owner, "the injector knows no annotation %s", name)
				} else if value := p.Template.Annotations[name]; !parses(kind, value) {
					r(p.Owner, "%s: %q is no %s", name, value, kind)
				}
			}
		}
	}},
	{"sidecar", "the sidecar does something else than on one machine, or nothing is injected at all", findSidecar},
	{"app-id", "others call another name than the one that the app has", func(s *Shop, r report) {
		for _, d := range of[appsv1.Deployment](s) {
			id := d.v.Spec.Template.Annotations["dapr.io/app-id"]
			label := d.v.Spec.Template.Labels["app.kubernetes.io/name"]
			if !slices.Contains(apps, id) || id != d.Name || id != label {
				r(d.Object, "app id %q, label %q: both should be its name, one of %v", id, label, apps)
			}
		}
	}},
	{"scopes", "an app gets a component, and the password in it, that it has no use for", func(s *Shop, r report) {
		for _, c := range of[components.Component](s) {
			want, known := users[c.Name]
			switch {
			case !known:
				r(c.Object, "nobody is known to use it")
			case len(c.v.Scopes) == 0:
				r(c.Object, "has no scopes: every app of the namespace gets it")
			case !sameNames(c.v.Scopes, want):
				r(c.Object, "scopes are %v, want %v", c.v.Scopes, want)
			}
		}
		for name := range users {
			if name != "secrets" && named[components.Component](s, name) == nil {
				r(Object{Kind: "Component", Name: name, File: s.Overlay}, "is missing")
			}
		}
	}},
	{"access-control", "an app can call what it has no business with, or cannot call what it must", findAccess},
	{"configuration", "a sidecar finds no neighbour, or lets its app read secrets", func(s *Shop, r report) {
		for _, c := range of[configuration.Configuration](s) {
			if n := c.v.Spec.NameResolutionSpec; n == nil || n.Component != "kubernetes" {
				r(c.Object, "spec.nameResolution.component should be kubernetes")
			}
			for store, may := range map[string][]string{"secrets": nil, "kubernetes": nil, accountSecrets: {signingKeys}} {
				if !readable(c.v, store, may) {
					r(c.Object, "spec.secrets.scopes should let apps read %v of the store %s", may, store)
				}
			}
		}
	}},
}

// findSidecar reads the arguments of the sidecar that the injector has put in.
func findSidecar(s *Shop, r report) {
	for _, p := range s.Pods {
		if p.Owner.Kind != "Deployment" {
			continue
		}
		if p.Sidecar == nil {
			r(p.Owner, "gets no sidecar")
			continue
		}
		app := container(p.Template.Spec.Containers, appContainer)
		if app == nil {
			r(p.Owner, "has no container %q", appContainer)
			continue
		}
		want := map[string]string{
			"--app-id": p.Owner.Name, "--mode": "kubernetes", "--app-port": strconv.Itoa(appPort), "--app-protocol": "http",
			"--metrics-port": strconv.Itoa(metricsPort), "--dapr-internal-grpc-port": strconv.Itoa(meshPort),
			"--app-health-check-path": "/healthz", "--scheduler-host-address": "", "--dapr-listen-addresses": "[::1],127.0.0.1",
		}
		for _, flag := range sorted(want) {
			if got, ok := p.argument(flag); !ok || got != want[flag] {
				r(p.Owner, "the sidecar is started with %s %q, want %q", flag, got, want[flag])
			}
		}
		for _, flag := range []string{"--enable-mtls", "--enable-app-health-check", "--disable-builtin-k8s-secret-store", "--enable-metrics", "--log-as-json"} {
			if _, ok := p.argument(flag); !ok {
				r(p.Owner, "the sidecar is started without %s", flag)
			}
		}
		if address, ok := p.argument("--placement-host-address"); ok {
			r(p.Owner, "the sidecar looks for placement at %q: there are no actors", address)
		}
		if name, _ := p.argument("--config"); named[configuration.Configuration](s, name) == nil {
			r(p.Owner, "the sidecar is started with --config %q, which is not there", name)
		}
		if p.Sidecar.RestartPolicy == nil || *p.Sidecar.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			r(p.Owner, "the sidecar is not a native one: it may end before its app")
		}
		for name, want := range map[string]string{
			"APP_ID": p.Owner.Name, "APP_PORT": strconv.Itoa(appPort), "SIDECART_LISTEN_HOST": "127.0.0.1", "SIDECART_INTERNAL_PORT": strconv.Itoa(internalPort),
		} {
			if got := env(app, name); got != want {
				r(p.Owner, "%s is %q, want %q", name, got, want)
			}
		}
	}
}

// findAccess reads the policy as a sidecar does and asks it about every call that there is, and about some that must be refused.
func findAccess(s *Shop, r report) {
	for _, c := range of[configuration.Configuration](s) {
		spec := c.v.Spec.AccessControlSpec
		if spec == nil || spec.DefaultAction != config.DenyAccess {
			r(c.Object, "spec.accessControl.defaultAction should be deny: a call that no policy names would be let through")
			continue
		}
		list, err := acl.ParseAccessControlSpec(parsed(spec), true)
		if err != nil {
			r(c.Object, "spec.accessControl: %v", err)
			continue
		}
		for _, p := range spec.AppPolicies {
			if !slices.Contains(apps, p.AppName) || p.Namespace != s.namespace() || p.TrustDomain != list.TrustDomain || p.DefaultAction != config.DenyAccess {
				r(c.Object, "policy of %s: want a known app, namespace %s, trust domain %s, and deny", p.AppName, s.namespace(), list.TrustDomain)
			}
		}
		outside, err := published(s.root)
		if err != nil {
			r(c.Object, "the contracts: %v", err)
			continue
		}
		calls := slices.Concat(Calls, outside)
		for _, call := range calls {
			if !allowed(list, s.namespace(), call) {
				r(c.Object, "%s is refused, and the code makes this call", call)
			}
		}
		for _, call := range forbidden(calls) {
			if allowed(list, s.namespace(), call) {
				r(c.Object, "%s is allowed, and nothing makes this call", call)
			}
		}
	}
}

// parsed turns the object into what a sidecar reads from it.
func parsed(spec *configuration.AccessControlSpec) *config.AccessControlSpec {
	out := &config.AccessControlSpec{DefaultAction: spec.DefaultAction, TrustDomain: spec.TrustDomain}
	for _, p := range spec.AppPolicies {
		policy := config.AppPolicySpec{AppName: p.AppName, DefaultAction: p.DefaultAction, TrustDomain: p.TrustDomain, Namespace: p.Namespace}
		for _, o := range p.AppOperationActions {
			policy.AppOperationActions = append(policy.AppOperationActions, config.AppOperation{Operation: o.Operation, HTTPVerb: o.HTTPVerb, Action: o.Action})
		}
		out.AppPolicies = append(out.AppPolicies, policy)
	}
	return out
}

// allowed decides like a sidecar that is called with an identity of the namespace.
func allowed(list *config.AccessControlList, namespace string, call Call) bool {
	p, ok := list.PolicySpec[call.From+"||"+namespace]
	if !ok {
		return list.DefaultAction == config.AllowAccess
	}
	action := p.DefaultAction
	if operation := p.AppOperationActions.Search(strings.ToLower(call.path())); operation != nil {
		if verb, ok := operation.VerbAction[call.Method]; ok {
			action = verb
		} else if verb, ok = operation.VerbAction["*"]; ok {
			action = verb
		}
	}
	return action == config.AllowAccess
}

// componentsOf are the components that the operator hands to an app.
func (s *Shop) componentsOf(app string) []string {
	var names []string
	for _, c := range of[components.Component](s) {
		if len(c.v.Scopes) == 0 || slices.Contains(c.v.Scopes, app) {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// readable tells whether apps may read these secrets of a store and no others.
func readable(c *configuration.Configuration, store string, only []string) bool {
	if c.Spec.Secrets == nil {
		return false
	}
	for _, scope := range c.Spec.Secrets.Scopes {
		if scope.StoreName == store {
			return scope.DefaultAccess == "deny" && slices.Equal(scope.AllowedSecrets, only)
		}
	}
	return false
}

func parses(kind reflect.Type, value string) bool {
	switch kind.Kind() {
	case reflect.Bool:
		return value == "true" || value == "false"
	case reflect.Int, reflect.Int32:
		_, err := strconv.ParseInt(value, 10, 32)
		return err == nil
	}
	return true
}
