package check

import (
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Where the app's listeners are, in every pod of the shop.
const (
	appPort      = 7000 // on loopback: the sidecar's way to the app
	internalPort = 7001 // /livez, /readyz, /metrics
	publicPort   = 8080 // the gateway
	grpcPort     = 8081 // the gateway's for gRPC, where components/grpc is
	meshPort     = 50002
	metricsPort  = 9090 // of the sidecar

	appContainer     = "app"
	sandboxContainer = "sandbox"
)

var podRules = []Rule{
	{"image-pinned", "a tag that moves starts another program at the next restart, unasked", func(s *Shop, r report) {
		for _, p := range s.Pods {
			for _, c := range containers(p.Injected) {
				_, digest, pinned := strings.Cut(c.Image, "@sha256:")
				name, tag, tagged := cutTag(c.Image)
				switch {
				case pinned && len(digest) == 64:
				case !tagged || tag == "latest" || tag == "":
					r(p.Owner, "container %s: image %q has no tag that stays", c.Name, c.Image)
				case strings.Contains(name, "@"):
					r(p.Owner, "container %s: image %q has no whole digest", c.Name, c.Image)
				}
			}
		}
	}},
	{"restricted", "the namespace refuses the pod: Pod Security `restricted` is enforced there", func(s *Shop, r report) {
		evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
		if err != nil {
			r(Object{}, "%v", err)
			return
		}
		level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		for _, p := range s.Pods {
			for _, result := range evaluator.EvaluatePod(level, &p.Injected.ObjectMeta, &p.Injected.Spec) {
				if !result.Allowed {
					r(p.Owner, "%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
				}
			}
		}
		for _, ns := range of[corev1.Namespace](s) {
			if ns.v.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
				r(ns.Object, "does not enforce restricted")
			}
		}
	}},
	{"read-only-root", "who breaks in could change the program", func(s *Shop, r report) {
		for _, p := range s.Pods {
			for _, c := range containers(p.Injected) {
				if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
					r(p.Owner, "container %s can write to its root", c.Name)
				}
			}
		}
	}},
	{"probes", "Kubernetes sends calls to what cannot answer, or restarts what only waits", findProbes},
	{"resources", "one pod can starve a node, and autoscaling has nothing to measure by", func(s *Shop, r report) {
		for _, p := range s.Pods {
			for _, c := range containers(p.Injected) {
				for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
					request, asked := c.Resources.Requests[name]
					limit, bound := c.Resources.Limits[name]
					if !asked || !bound || request.IsZero() || request.Cmp(limit) > 0 {
						r(p.Owner, "container %s: %s wants a request and a limit that is not below it", c.Name, name)
					}
				}
				if soft := env(&c, "GOMEMLIMIT"); soft != "" {
					bytes, err := resource.ParseQuantity(strings.TrimSuffix(soft, "B"))
					if err != nil || bytes.Cmp(c.Resources.Limits[corev1.ResourceMemory]) >= 0 {
						r(p.Owner, "container %s: GOMEMLIMIT %q should be below its limit of memory", c.Name, soft)
					}
				}
			}
		}
	}},
	{"no-token", "who breaks in could ask the API server", func(s *Shop, r report) {
		for _, p := range s.Pods {
			if mount := p.Template.Spec.AutomountServiceAccountToken; mount == nil || *mount {
				r(p.Owner, "mounts the token of its ServiceAccount")
			}
			account := named[corev1.ServiceAccount](s, p.Template.Spec.ServiceAccountName)
			if account == nil {
				r(p.Owner, "runs as ServiceAccount %q, which is not there", p.Template.Spec.ServiceAccountName)
			} else if account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken {
				r(p.Owner, "ServiceAccount %q gives its token to every pod", account.Name)
			}
		}
	}},
	{"shutdown", "a rollout breaks calls that are under way", findShutdown},
}

func findProbes(s *Shop, r report) {
	for _, p := range s.Pods {
		for _, c := range p.Template.Spec.Containers {
			if c.Name == sandboxContainer {
				continue // on loopback, where no kubelet reaches it, and no part of a shop that earns money
			}
			for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
				if probe == nil {
					r(p.Owner, "container %s has no %sProbe", c.Name, name)
					continue
				}
				if p.App == "" {
					continue
				}
				want := "/livez"
				if name == "readiness" {
					want = "/readyz"
				}
				if probe.HTTPGet == nil || probe.HTTPGet.Path != want || portNumber(c, probe.HTTPGet.Port.String()) != internalPort {
					r(p.Owner, "container %s: %sProbe should ask %s at port %d", c.Name, name, want, internalPort)
				}
			}
		}
	}
}

// findShutdown adds up the way down: until nobody sends, until the app has ended, until the sidecar has.
func findShutdown(s *Shop, r report) {
	for _, d := range of[appsv1.Deployment](s) {
		if u := d.v.Spec.Strategy.RollingUpdate; u == nil || u.MaxUnavailable == nil || u.MaxUnavailable.IntValue() != 0 || u.MaxUnavailable.String() != "0" {
			r(d.Object, "an old pod may go before a new one is ready: strategy.rollingUpdate.maxUnavailable should be 0")
		}
	}
	for _, p := range s.Pods {
		c := container(p.Template.Spec.Containers, appContainer)
		if p.Sidecar == nil || c == nil {
			continue
		}
		if c.Lifecycle == nil || c.Lifecycle.PreStop == nil || c.Lifecycle.PreStop.Sleep == nil || c.Lifecycle.PreStop.Sleep.Seconds < 1 {
			r(p.Owner, "no preStop sleep: it is stopped while others still send")
			continue
		}
		within, err := time.ParseDuration(env(c, "SIDECART_SHUTDOWN_WITHIN"))
		if err != nil {
			r(p.Owner, "SIDECART_SHUTDOWN_WITHIN: %v", err)
			continue
		}
		blocked, _ := p.argument("--dapr-block-shutdown-duration")
		block, err := time.ParseDuration(blocked)
		if err != nil {
			r(p.Owner, "dapr.io/block-shutdown-duration: %v", err)
			continue
		}
		graceful, _ := p.argument("--dapr-graceful-shutdown-seconds")
		seconds, _ := strconv.Atoi(graceful)
		app := time.Duration(c.Lifecycle.PreStop.Sleep.Seconds)*time.Second + within + 2*time.Second // the last traces
		if block < app {
			r(p.Owner, "the sidecar may end after %s, the app needs it for %s", block, app)
		}
		grace := p.Template.Spec.TerminationGracePeriodSeconds
		// An app that is gone is unhealthy within 3 s: 3 probes in a row, 1 s apart.
		if need := max(app+3*time.Second, block) + time.Duration(seconds)*time.Second; grace == nil || time.Duration(*grace)*time.Second < need {
			r(p.Owner, "terminationGracePeriodSeconds should be at least %d", int(need.Seconds()))
		}
	}
}

// containers are all of a pod's, the sidecar among them.
func containers(pod *corev1.Pod) []corev1.Container {
	return append(append([]corev1.Container(nil), pod.Spec.InitContainers...), pod.Spec.Containers...)
}

func container(list []corev1.Container, name string) *corev1.Container {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// env is a variable's value as it is written; "" also for one that comes from elsewhere.
func env(c *corev1.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// portNumber finds a container's port by name or number; 0 is none.
func portNumber(c corev1.Container, port string) int {
	for _, p := range c.Ports {
		if p.Name == port || strconv.Itoa(int(p.ContainerPort)) == port {
			return int(p.ContainerPort)
		}
	}
	return 0
}

// cutTag takes name:tag apart; a colon before the last slash is a registry's port.
func cutTag(image string) (name, tag string, ok bool) {
	i := strings.LastIndex(image, ":")
	if i < strings.LastIndex(image, "/") {
		return image, "", false
	}
	if i < 0 {
		return image, "", false
	}
	return image[:i], image[i+1:], true
}
