package e2e

import (
	"errors"
	"fmt"
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

// onlySometimes are metrics that a shop tells only once what they are about has happened, or in one placement, with the file that makes
// them: there their name is looked for instead.
var onlySometimes = map[string]string{
	"sidecart_delivery_segments":        "services/kit/delivery/metrics.go", // there are two brokers
	"gateway_gray_share":                "services/gateway/gray/router.go",  // there is a release beside stable
	"gateway_gray_falls_total":          "services/gateway/gray/router.go",  // a release lost its traffic
	"gateway_answers_checked_total":     "services/gateway/validate.go",     // one was drawn
	"gateway_breaker_state":             "services/gateway/fallback/fallback.go",
	"gateway_fallback_answers_total":    "services/gateway/fallback/fallback.go",
	"gateway_overload_refused_total":    "services/gateway/overload/metrics.go",
	"gateway_contract_refused":          "services/gateway/contracts/report.go",
	"gateway_rules_refused":             "services/gateway/rules/watcher.go",
	"sidecart_tokens_refused_total":     "services/kit/identity",
	"sidecart_tokens_accepted_total":    "services/kit/identity",
	"sidecart_host_nearby_events_total": "services/host/events.go", // services that follow each other share a process
	"sidecart_host_events_total":        "services/host/events.go", // they do not
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
		harness.Eventually(t, "every metric is told", 0, func() error { // the broker may deliver after the sale is over
			told, err := toldBy(t, s)
			var missing []error
			for name, by := range wanted {
				if onlySometimes[name] == "" && !told[name] {
					missing = append(missing, fmt.Errorf("no process tells %s, which is looked at by %s", name, by))
				}
			}
			return errors.Join(append(missing, err)...)
		})
	})
	for name, file := range onlySometimes {
		assert.True(t, names(t, file, name), "%s does not make %s", file, name)
		assert.NotEmpty(t, wanted[name], "nobody looks at %s: it need not be excused", name)
	}
}

// toldBy gives the names of the metrics that the shop's own processes tell.
func toldBy(t *testing.T, s *harness.Shop) (map[string]bool, error) {
	told := map[string]bool{}
	for app, base := range s.Stack.URLs().Internal {
		if app == "broker" || app == "sandbox" {
			continue
		}
		found, err := harness.Scrape(t.Context(), http.DefaultClient, base)
		if err != nil {
			return nil, err
		}
		for name := range found {
			told[name], told[strings.TrimSuffix(name, "_bucket")] = true, true
			told[strings.TrimSuffix(name, "_count")] = true // of a summary
		}
	}
	return told, nil
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
