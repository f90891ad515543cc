package check

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	app          = "k8s/base/app/"
	shopBase     = "k8s/base/shop/"
	redisSet     = "components/redis/"
	redisOverlay = "k8s/overlays/redis/"
	daprConfig   = shopBase + "configuration.yaml"
)

// breaks are mistakes that somebody could make in a file, one each, and the rule that must tell of it: that one and no other, so that
// whoever reads the finding knows what to mend. "load" is for what does not even decode; then says is part of the error.
var breaks = []struct {
	what    string
	overlay string // "" is redis
	edit    Edit
	rule    string
	says    string
}{
	{what: "a field of a pod misspelt", edit: Edit{app + "deployment.yaml", "readinessProbe:", "readynessProbe:"}, rule: "load",
		says: `k8s/base/app/deployment.yaml: Deployment/inventory: unknown field "spec.template.spec.containers[0].readynessProbe"`},
	{what: "a field of an autoscaler at the wrong place", edit: Edit{app + "hpa.yaml", "  minReplicas: 2", "  replicas: 2"}, rule: "load", says: `unknown field "spec.replicas"`},
	{what: "a field of a component misspelt", edit: Edit{redisSet + "state.yaml", "initTimeout:", "initTimeOut:"}, rule: "load",
		says: `components/redis/state.yaml: Component/state: unknown field "spec.initTimeOut"`},
	{what: "a field of the Configuration misspelt", edit: Edit{daprConfig, "increasedCardinality", "increaseCardinality"}, rule: "load", says: `unknown field "spec.metrics.http.increaseCardinality"`},
	{what: "a field of the resiliency policy misspelt", edit: Edit{"dapr-config/resiliency.yaml", "maxRetries:", "maxRetry:"}, rule: "load", says: "DaprBuiltInServiceRetries.maxRetry"},
	{what: "an old API version", edit: Edit{app + "hpa.yaml", "autoscaling/v2\n", "autoscaling/v2beta2\n"}, rule: "load", says: "autoscaling/v2beta2"},
	{what: "a component file that is not listed", edit: Edit{redisSet + "kustomization.yaml", "  - pubsub.yaml\n", ""}, rule: "scopes"},

	{what: "tag latest", edit: Edit{app + "kustomization.yaml", "newTag: 0.1.0", "newTag: latest"}, rule: "image-pinned"},
	{what: "no tag", edit: Edit{app + "kustomization.yaml", ", newTag: 0.1.0", ""}, rule: "image-pinned"},
	{what: "root", edit: Edit{app + "deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: false"}, rule: "restricted"},
	{what: "privilege", edit: Edit{app + "deployment.yaml", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"}, rule: "restricted"},
	{what: "capabilities", edit: Edit{app + "deployment.yaml", "capabilities: {drop: [ALL]}", "capabilities: {drop: [ALL], add: [NET_ADMIN]}"}, rule: "restricted"},
	{what: "a namespace that lets everything in", edit: Edit{shopBase + "namespace.yaml", "enforce: restricted", "enforce: privileged"}, rule: "restricted"},
	{what: "a root that can be written", edit: Edit{app + "deployment.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"}, rule: "read-only-root"},
	{what: "a probe removed", edit: Edit{app + "deployment.yaml", "          readinessProbe:\n            httpGet: {path: /readyz, port: internal}\n            periodSeconds: 2\n            timeoutSeconds: 2\n            failureThreshold: 3\n", ""}, rule: "probes"},
	{what: "a liveness that depends on the store", edit: Edit{app + "deployment.yaml", "livenessProbe:\n            httpGet: {path: /livez,", "livenessProbe:\n            httpGet: {path: /readyz,"}, rule: "probes"},
	{what: "a probe at the sidecar's port", edit: Edit{app + "deployment.yaml", "httpGet: {path: /readyz, port: internal}", "httpGet: {path: /readyz, port: 7000}"}, rule: "probes"},
	{what: "no limit of memory", edit: Edit{app + "deployment.yaml", `limits: {cpu: "2", memory: 512Mi}`, `limits: {cpu: "2"}`}, rule: "resources"},
	{what: "memory that may grow beyond its limit", edit: Edit{app + "deployment.yaml", "GOMEMLIMIT, value: 440MiB", "GOMEMLIMIT, value: 600MiB"}, rule: "resources"},
	{what: "no limit for the sidecar", edit: Edit{app + "deployment.yaml", "        dapr.io/sidecar-memory-limit: 256Mi\n", ""}, rule: "resources"},
	{what: "a token for the API server", edit: Edit{app + "deployment.yaml", "automountServiceAccountToken: false", "automountServiceAccountToken: true"}, rule: "no-token"},
	{what: "no time to hear that a pod goes", edit: Edit{app + "deployment.yaml", "              sleep: {seconds: 5}", "              httpGet: {path: /livez, port: internal}"}, rule: "shutdown"},
	{what: "a pod killed while it drains", edit: Edit{app + "deployment.yaml", "terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds: 30"}, rule: "shutdown"},
	{what: "a sidecar that ends before its app", edit: Edit{app + "deployment.yaml", `block-shutdown-duration: "30s"`, `block-shutdown-duration: "10s"`}, rule: "shutdown"},
	{what: "an old pod that goes first", edit: Edit{app + "deployment.yaml", "maxSurge: 1, maxUnavailable: 0", "maxSurge: 1, maxUnavailable: 1"}, rule: "shutdown"},

	{what: "a typo in an annotation", edit: Edit{app + "deployment.yaml", "dapr.io/graceful-shutdown-seconds", "dapr.io/gracefull-shutdown-seconds"}, rule: "annotation-known"},
	{what: "an annotation that is no number", edit: Edit{app + "deployment.yaml", `app-health-threshold: "3"`, `app-health-threshold: "three"`}, rule: "annotation-known"},
	{what: "no sidecar", edit: Edit{app + "deployment.yaml", `dapr.io/enabled: "true"`, `dapr.io/enabled: "false"`}, rule: "sidecar"},
	{what: "a sidecar that asks another port", edit: Edit{app + "deployment.yaml", `dapr.io/app-port: "7000"`, `dapr.io/app-port: "7001"`}, rule: "sidecar"},
	{what: "a Configuration that is not there", edit: Edit{app + "deployment.yaml", "dapr.io/config: sidecart", "dapr.io/config: sidecar"}, rule: "sidecar"},
	{what: "an app that listens to the network", edit: Edit{app + "deployment.yaml", "value: 127.0.0.1", "value: 0.0.0.0"}, rule: "sidecar"},
	{what: "apps that can ask for Secrets", edit: Edit{app + "deployment.yaml", `        dapr.io/disable-builtin-k8s-secret-store: "true"` + "\n", ""}, rule: "sidecar"},
	{what: "placement", edit: Edit{app + "deployment.yaml", `        dapr.io/placement-host-address: ""` + "\n", ""}, rule: "sidecar"},
	{what: "a name that no code knows", edit: Edit{"k8s/base/services/notify/serviceaccount.yaml", "  name: notify", "  name: notifier"}, rule: "app-id"},

	{what: "a scope widened", edit: Edit{redisSet + "payment-provider.yaml", "scopes: [payment, sidecart]", "scopes: [payment, order, sidecart]"}, rule: "scopes"},
	{what: "scopes removed", edit: Edit{redisSet + "state.yaml", "scopes: [inventory, order, payment, notify, account, sidecart]\n", ""}, rule: "scopes"},
	{what: "an unknown app in scopes", edit: Edit{redisSet + "mail.yaml", "scopes: [notify, sidecart]", "scopes: [notfy, sidecart]"}, rule: "scopes"},
	{what: "a store of secrets for everybody", overlay: "k8s/overlays/aws", edit: Edit{"components/aws/secrets.yaml", "scopes: [inventory, order, payment, notify, account, sidecart]", "scopes: []"}, rule: "scopes"},
	{what: "a component patched in an overlay", edit: Edit{redisOverlay + "kustomization.yaml", "components:\n", "patches:\n  - target: {kind: Component, name: state}\n    patch: |-\n      - {op: replace, path: /spec/initTimeout, value: 5m}\ncomponents:\n"}, rule: "the-very-files"},

	{what: "keys that apps may read with all that their store has", edit: Edit{"dapr-config/config.yaml", "        allowedSecrets: [KEYS]\n", ""}, rule: "configuration"},
	{what: "keys of another Secret", edit: Edit{"k8s/base/signing/kustomization.yaml", "=account-keys:keys", "=sidecart:keys"}, rule: "signing-keys"},
	{what: "keys for an app that signs nothing", edit: Edit{"k8s/base/services/notify/kustomization.yaml", "  - ../../named\n", "  - ../../named\n  - ../../signing\n"}, rule: "signing-keys"},
	{what: "keys lost to an overlay's variables", overlay: "k8s/overlays/aliyun", edit: Edit{"k8s/overlays/aliyun/kustomization.yaml", "SIDECART_ACCOUNT_KEYS=account-keys:keys,", ""}, rule: "signing-keys"},
	{what: "rules of the gateway that nobody follows", edit: Edit{"k8s/base/public/deployment.yaml", "mountPath: /etc/sidecart, readOnly", "mountPath: /etc/sidecart, subPath: gateway.yaml, readOnly"}, rule: "gateway-rules"},
	{what: "rules of the gateway by another name", edit: Edit{"dapr-config/kustomization.yaml", "files: [gateway.yaml]", "files: [rules.yaml=gateway.yaml]"}, rule: "gateway-rules"},
	{what: "rules whose change replaces every gateway", edit: Edit{"dapr-config/kustomization.yaml", "disableNameSuffixHash: true", "disableNameSuffixHash: false"}, rule: "gateway-rules"},

	{what: "calls that nobody named", edit: Edit{daprConfig, "    defaultAction: deny\n    trustDomain: public\n    policies:", "    defaultAction: allow\n    trustDomain: public\n    policies:"}, rule: "access-control"},
	{what: "a call that the code makes", edit: Edit{daprConfig, "          - {name: /payment/journal, httpVerb: [GET], action: allow}\n", ""}, rule: "access-control"},
	{what: "a call that nobody makes", edit: Edit{daprConfig, "{name: /payment/journal, httpVerb: [GET]", "{name: /payment/journal, httpVerb: [GET, POST]"}, rule: "access-control"},
	{what: "a route opened by its prefix", edit: Edit{daprConfig, "{name: /inventory/internal/holds, httpVerb", "{name: /inventory, httpVerb"}, rule: "access-control"},
	{what: "a policy for another namespace", edit: Edit{daprConfig, "      - appId: notify\n        namespace: sidecart", "      - appId: notify\n        namespace: shop"}, rule: "access-control"},
	{what: "neighbours looked for in a file", edit: Edit{daprConfig, "component: kubernetes", "component: sqlite"}, rule: "configuration"},
	{what: "secrets that apps may read", edit: Edit{daprConfig, "storeName: kubernetes, defaultAccess: deny", "storeName: kubernetes, defaultAccess: allow"}, rule: "configuration"},

	{what: "no denial by default", edit: Edit{shopBase + "networkpolicy.yaml", "  podSelector: {}\n  policyTypes: [Ingress, Egress]", "  podSelector: {}\n  policyTypes: [Egress]"}, rule: "deny-by-default"},
	{what: "the app's port opened", edit: Edit{shopBase + "networkpolicy.yaml", "{protocol: TCP, port: 7001}", "{protocol: TCP, port: 7000}"}, rule: "only-the-gateway"},
	{what: "sidecars opened to everybody", edit: Edit{shopBase + "networkpolicy.yaml", "    - from:\n        - podSelector:\n            matchLabels: {app.kubernetes.io/part-of: sidecart}\n      ports:", "    - ports:"}, rule: "only-the-gateway"},
	{what: "no names", edit: Edit{shopBase + "networkpolicy.yaml", "    - to:\n        - namespaceSelector:\n            matchLabels: {kubernetes.io/metadata.name: kube-system}\n      ports:\n        - {protocol: UDP, port: 53}\n        - {protocol: TCP, port: 53}\n", ""}, rule: "ways-out"},
	{what: "names by TCP alone", edit: Edit{shopBase + "networkpolicy.yaml", "        - {protocol: UDP, port: 53}\n", ""}, rule: "ways-out"},
	{what: "a control plane that cannot be reached", edit: Edit{shopBase + "networkpolicy.yaml", "kubernetes.io/metadata.name: dapr-system", "kubernetes.io/metadata.name: dapr"}, rule: "ways-out"},
	{what: "neighbours that cannot be reached", edit: Edit{shopBase + "networkpolicy.yaml", "  egress:\n    - to:\n        - podSelector:\n            matchLabels: {app.kubernetes.io/part-of: sidecart}", "  egress:\n    - to:\n        - podSelector:\n            matchLabels: {app.kubernetes.io/name: gateway}"}, rule: "ways-out"},
	{what: "a store that cannot be reached", edit: Edit{shopBase + "networkpolicy.yaml", "        - {protocol: TCP, port: 6379} # Redis\n", ""}, rule: "ways-out"},
	{what: "a gateway that can reach the stores", edit: Edit{shopBase + "networkpolicy.yaml", "operator: NotIn, values: [gateway]", "operator: NotIn, values: [payment-provider]"}, rule: "ways-out"},
	{what: "every way out", edit: Edit{shopBase + "networkpolicy.yaml", "  egress:\n    - ports:\n        - {protocol: TCP, port: 443}", "  egress:\n    - {}\n    - ports:\n        - {protocol: TCP, port: 443}"}, rule: "ways-out"},
	{what: "a policy for nobody", edit: Edit{shopBase + "networkpolicy.yaml", "  name: metrics\nspec:\n  podSelector:\n    matchLabels: {app.kubernetes.io/part-of: sidecart}", "  name: metrics\nspec:\n  podSelector:\n    matchLabels: {app.kubernetes.io/part-of: sidecar}"}, rule: "selectors"},
	{what: "a Service at a port that is not there", edit: Edit{"k8s/base/public/service.yaml", "targetPort: http", "targetPort: https"}, rule: "selectors"},
	{what: "a gateway that listens elsewhere than it is called", edit: Edit{"k8s/base/public/deployment.yaml", "0.0.0.0:8080", "0.0.0.0:8090"}, rule: "listeners"},
	{what: "a gateway that only itself can call", edit: Edit{"k8s/base/public/deployment.yaml", "0.0.0.0:8080", "127.0.0.1:8080"}, rule: "listeners"},
	{what: "gRPC listened for at no port", overlay: "examples", edit: Edit{"k8s/components/grpc/kustomization.yaml", "0.0.0.0:8081", "0.0.0.0:8082"}, rule: "listeners"},
	{what: "gRPC's port opened where the app's sidecar is", overlay: "examples", edit: Edit{"k8s/components/grpc/kustomization.yaml", "{protocol: TCP, port: 8081}", "{protocol: TCP, port: 3500}"}, rule: "only-the-gateway"},
	{what: "operators' routes led to from outside", overlay: "examples", edit: Edit{"k8s/components/ingress/ingress.yaml", "{path: /v1/orders,", "{path: /v1,"}, rule: "routes"},
	{what: "every route led to from outside", overlay: "examples", edit: Edit{"k8s/components/gateway-api/httproute.yaml", "value: /v1/screens", "value: /"}, rule: "routes"},

	{what: "an autoscaler of something else", edit: Edit{"k8s/base/named/kustomization.yaml", "          - spec.scaleTargetRef.name\n", ""}, rule: "autoscaler"},
	{what: "an autoscaler by processor alone", edit: Edit{app + "hpa.yaml", "name: http_requests_in_flight", "name: requests_in_flight"}, rule: "autoscaler"},
	{what: "an autoscaler that adds replicas under light load", edit: Edit{app + "hpa.yaml", "{type: AverageValue, averageValue: 1400m}", "{type: Utilization, averageUtilization: 70}"}, rule: "autoscaler"},
	{what: "replicas that cost more than they give", edit: Edit{"k8s/base/services/order/kustomization.yaml", "value: 3", "value: 6"}, rule: "autoscaler"},
	{what: "replicas that every apply resets", edit: Edit{app + "deployment.yaml", "spec:\n  # replicas is left", "spec:\n  replicas: 2\n  # replicas is left"}, rule: "autoscaler"},
	{what: "a budget that keeps nodes from being drained", edit: Edit{app + "pdb.yaml", "maxUnavailable: 1", "maxUnavailable: 0"}, rule: "disruption-budget"},
	{what: "no budget", edit: Edit{app + "kustomization.yaml", "  - pdb.yaml\n", ""}, rule: "disruption-budget"},
	{what: "all replicas in one zone", edit: Edit{app + "deployment.yaml", "topologyKey: topology.kubernetes.io/zone", "topologyKey: topology.kubernetes.io/region"}, rule: "spread"},

	{what: "another token for the app than for its sidecar", edit: Edit{app + "deployment.yaml", "dapr.io/app-token-secret: sidecart-app-token", "dapr.io/app-token-secret: sidecart-api-token"}, rule: "tokens"},
	{what: "a token written out", edit: Edit{app + "deployment.yaml", "            - {name: SIDECART_SHUTDOWN_WITHIN, value: 15s}\n", "            - {name: SIDECART_SHUTDOWN_WITHIN, value: 15s}\n            - {name: SMTP_PASSWORD, value: hunter2}\n"}, rule: "no-secret-here"},
	{what: "a key that nobody is told of", edit: Edit{redisOverlay + "secret.example.env", "SMS_URL=", "SMS_ADDRESS="}, rule: "secret-keys"},
	{what: "an address that no sidecar has", overlay: "k8s/overlays/gcp", edit: Edit{"k8s/overlays/gcp/kustomization.yaml", "SIDECART_GCP_PROJECT=my-project,", ""}, rule: "addresses"},
}

// TestEveryBreakIsTold makes each mistake and expects the one rule to tell of it.
func TestEveryBreakIsTold(t *testing.T) {
	told := map[string]bool{}
	for _, b := range breaks {
		t.Run(b.what, func(t *testing.T) {
			edits := []Edit{b.edit}
			overlay := b.overlay
			switch overlay {
			case "":
				overlay = "k8s/overlays/redis"
			case "examples":
				overlay, edits = "k8s/overlays/redis", append(edits, examples)
			}
			told[b.rule] = true
			shop, err := Load(root, overlay, edits...)
			if b.rule == "load" {
				require.ErrorContains(t, err, b.says)
				return
			}
			require.NoError(t, err)
			findings := Check(shop)
			require.NotEmpty(t, findings, "nobody told of it")
			for _, f := range findings {
				assert.Equal(t, b.rule, f.Rule, f.String())
				assert.NotEmpty(t, f.Object.File)
			}
			t.Log(findings[0])
		})
	}
	for _, rule := range Rules {
		assert.True(t, told[rule.Name], "no break shows that rule %s finds anything", rule.Name)
		assert.NotEmpty(t, rule.Why)
	}
	t.Logf("%d mistakes, %d rules", len(breaks), len(Rules))
}
