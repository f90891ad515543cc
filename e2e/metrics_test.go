package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/e2e/observability"
)

// onlyInTrouble are metrics that a shop tells only once what they are about has happened, with the file that makes them: there their name
// is looked for instead.
var onlyInTrouble = map[string]string{
	"sidecart_delivery_segments":        "services/kit/delivery/metrics.go", // there are two brokers
	"gateway_gray_falls_total":          "services/gateway/gray/router.go",  // a release lost its traffic
	"gateway_breaker_state":             "services/gateway/fallback/fallback.go",
	"gateway_fallback_answers_total":    "services/gateway/fallback/fallback.go",
	"gateway_overload_refused_total":    "services/gateway/overload/metrics.go",
	"gateway_contract_refused":          "services/gateway/contracts/report.go",
	"gateway_rules_refused":             "services/gateway/rules/watcher.go",
	"sidecart_tokens_refused_total":     "services/kit/identity",
	"sidecart_tokens_accepted_total":    "services/kit/identity",
	"sidecart_host_nearby_events_total": "services/host/events.go", // services that follow each other share a process
}

// TestEveryMetricThatIsLookedAtIsTold asks a shop that has sold something for the metrics that rules and panels name: a metric that was
// renamed makes an alarm that never comes and a panel that stays empty.
func TestEveryMetricThatIsLookedAtIsTold(t *testing.T) {
	alerts, err := observability.Alerts()
	require.NoError(t, err)
	wanted := map[string]string{}
	for _, a := range alerts {
		for _, name := range observability.Metrics(a.Expr) {
			wanted[name] = "alert " + a.Name
		}
	}
	for _, q := range observability.Queries() {
		for _, name := range observability.Metrics(q) {
			wanted[name] = "panel " + q
		}
	}
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		s := harness.Open(t, p)
		buyAndPay(t, s)
		told := map[string]bool{}
		for app, base := range s.Stack.URLs().Internal {
			if app == "broker" || app == "sandbox" {
				continue
			}
			found, err := harness.Scrape(t.Context(), http.DefaultClient, base)
			require.NoError(t, err, app)
			for name := range found {
				told[name], told[strings.TrimSuffix(name, "_bucket")] = true, true
				told[strings.TrimSuffix(name, "_count")] = true // of a summary
			}
		}
		for name, by := range wanted {
			if file, ok := onlyInTrouble[name]; ok && !told[name] {
				assert.True(t, names(t, file, name), "%s does not make %s, which is looked at by %s", file, name, by)
				continue
			}
			assert.True(t, told[name], "no process tells %s, which is looked at by %s", name, by)
		}
	})
}

// names tells whether a file, or one of a folder, has the name of a metric, whole or as its last part.
func names(t *testing.T, path, metric string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(harness.Root(), path, "*.go"))
	require.NoError(t, err)
	if strings.HasSuffix(path, ".go") {
		files = []string{filepath.Join(harness.Root(), path)}
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		if strings.Contains(string(text), `"`+metric+`"`) {
			return true
		}
	}
	return false
}
