package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/e2e/observability"
	"github.com/sidecart/sidecart/runtime/porttest"
)

// TestNobodyIsWokenForAShopThatSells lets a real Prometheus scrape a shop and go by our rules: each can be evaluated on what processes
// really tell, labels and all, and none says that something is wrong.
func TestNobodyIsWokenForAShopThatSells(t *testing.T) {
	harness.SkipIfShort(t)
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no prometheus: the rules are not tried on a running shop; scripts/servers installs it")
	}
	harness.Each(t, func(t *testing.T, p harness.Placement) {
		s := harness.Open(t, p)
		var targets []string
		for app, base := range s.Stack.URLs().Internal {
			if app != "broker" && app != "sandbox" {
				targets = append(targets, strings.TrimPrefix(base, "http://"))
			}
		}
		base := startPrometheus(t, program, targets)
		buyAndPay(t, s)
		harness.Eventually(t, "Prometheus has scraped every process", 0, func() error { return scraped(t.Context(), base, len(targets)) })
		evaluated := 0
		harness.Eventually(t, "no alert is near", 0, func() error {
			rules, err := rulesOf(t.Context(), base)
			evaluated = len(rules)
			var wrong []error
			for _, r := range rules {
				if r.Health != "ok" || r.State != "inactive" {
					wrong = append(wrong, fmt.Errorf("%s is %s, %s %s", r.Name, r.State, r.Health, r.LastError))
				}
			}
			return errors.Join(append(wrong, err)...)
		})
		alerts, err := observability.Alerts()
		require.NoError(t, err)
		assert.Equal(t, len(alerts), evaluated)
	})
}

// startPrometheus runs it on loopback until the test ends and gives its address.
func startPrometheus(t *testing.T, program string, targets []string) string {
	t.Helper()
	dir := t.TempDir()
	config, err := json.Marshal(map[string]any{ // JSON is YAML
		"global":         map[string]string{"scrape_interval": "1s", "evaluation_interval": "1s"},
		"rule_files":     []string{observability.RulesFile()},
		"scrape_configs": []any{map[string]any{"job_name": "sidecart", "static_configs": []any{map[string]any{"targets": targets}}}},
	})
	require.NoError(t, err)
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, config, 0o600))
	address := fmt.Sprintf("127.0.0.1:%d", porttest.Free(t, 1)[0])
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	log := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was told to end
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return "http://" + address
}

// asked reads the data of an answer of Prometheus' API.
func asked(ctx context.Context, url string, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(res.Body).Decode(&struct {
		Data any `json:"data"`
	}{data})
}

// scraped says which of so many targets has not been read.
func scraped(ctx context.Context, base string, targets int) error {
	var found struct {
		ActiveTargets []struct {
			ScrapeURL, Health, LastError string
		} `json:"activeTargets"`
	}
	if err := asked(ctx, base+"/api/v1/targets", &found); err != nil {
		return err
	}
	if len(found.ActiveTargets) != targets {
		return fmt.Errorf("%d targets of %d", len(found.ActiveTargets), targets)
	}
	for _, f := range found.ActiveTargets {
		if f.Health != "up" {
			return fmt.Errorf("%s is %s: %s", f.ScrapeURL, f.Health, f.LastError)
		}
	}
	return nil
}

// rule is how an alert stands.
type rule struct {
	Name, State, Health, LastError string
}

func rulesOf(ctx context.Context, base string) ([]rule, error) {
	var found struct {
		Groups []struct{ Rules []rule }
	}
	if err := asked(ctx, base+"/api/v1/rules", &found); err != nil {
		return nil, err
	}
	var all []rule
	for _, g := range found.Groups {
		all = append(all, g.Rules...)
	}
	return all, nil
}
