package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/servers"
)

// rulesInUse is what GET /v1/ops/rules says.
type rulesInUse struct {
	Source, Store string
	Routes        int
	Refused       *struct {
		Source string
		Faults []struct {
			Line, Column  int
			Path, Message string
		}
	}
}

// TestRulesFromAConfigurationStore: with the set redis, the store's item is what gateways follow, through the real sidecar. A bad one
// is refused with its lines, without one the file applies, and a store that dies changes nothing.
func TestRulesFromAConfigurationStore(t *testing.T) {
	harness.SkipIfShort(t)
	if _, err := servers.Check(setFolder("redis"), os.Getenv); err != nil {
		cannotRun(t, err)
	}
	if _, err := exec.LookPath("redis-cli"); err != nil {
		cannotRun(t, err)
	}
	s := harness.Open(t, harness.One, harness.WithSet("redis"))
	become := func(what string, is func(rulesInUse) bool) {
		t.Helper()
		harness.Eventually(t, what, 0, func() error {
			var now rulesInUse
			answer, err := s.Do(t.Context(), http.MethodGet, "/v1/ops/rules", nil, nil)
			if err == nil {
				err = answer.Into(&now)
			}
			if err != nil {
				return err
			}
			return wants(is(now), "%s", answer.Body)
		})
	}
	become("the file is in use and the store is empty", func(r rulesInUse) bool {
		return filepath.Base(r.Source) == "gateway.yaml" && r.Store == "empty"
	})
	redis(t, s, "SET", "gateway.yaml", "version: 1\nroutes: {placeOrder: {budget: 5s}, getOrder: {budget: 2s}}\n")
	become("the store's item is in use", func(r rulesInUse) bool {
		return r.Source == "configuration/gateway.yaml" && r.Routes == 2 && r.Store == "used"
	})
	redis(t, s, "SET", "gateway.yaml", "version: 1\nroutes: {placeOrder: {budget: 5}}\n")
	become("a bad item is refused", func(r rulesInUse) bool {
		return r.Refused != nil && r.Routes == 2 && r.Refused.Faults[0].Line == 2 && r.Refused.Faults[0].Path == "/routes/placeOrder/budget"
	})
	s.Kill(t, "redis")
	s.AwaitReady(t)
	become("what was in use still is", func(r rulesInUse) bool { return r.Routes == 2 && r.Refused != nil && r.Store == "used" })
	redis(t, s, "DEL", "gateway.yaml")
	become("without the item the file is in use", func(r rulesInUse) bool {
		return filepath.Base(r.Source) == "gateway.yaml" && r.Store == "empty" && r.Refused == nil
	})
}

// redis sends a command to the shop's private server.
func redis(t *testing.T, s *harness.Shop, command ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Data, "servers", "env"))
	require.NoError(t, err)
	setting := func(name string) string {
		m := regexp.MustCompile(`export ` + name + `='([^']*)'`).FindSubmatch(text)
		require.NotNil(t, m, name)
		return string(m[1])
	}
	cli := exec.CommandContext(t.Context(), "redis-cli", append([]string{"-u", "redis://" + setting("SIDECART_REDIS_HOST")}, command...)...)
	cli.Env = append(os.Environ(), "REDISCLI_AUTH="+setting("SIDECART_REDIS_PASSWORD"))
	out, err := cli.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.NotContains(t, string(out), "ERR")
}
