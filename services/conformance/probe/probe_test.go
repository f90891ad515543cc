package probe

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sidecart/sidecart/services/conformance"
	"github.com/sidecart/sidecart/services/kit/sidecar/sidecartest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func probed(t *testing.T, cfg Config) conformance.Verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cfg.Daprd, cfg.PaceFor = sidecartest.Binary(t), 200*time.Millisecond
	v, err := Run(ctx, cfg, nil, func(r conformance.Result) {
		t.Logf("%-28s %-4s %6s  %s", r.Name, r.Outcome, r.Took.Round(time.Millisecond), r.Detail)
	})
	require.NoError(t, err)
	return v
}

func TestTheStoreThatIsShippedIsSafe(t *testing.T) {
	t.Parallel()
	v := probed(t, Config{Set: "../../../components/embedded", Store: true, Environ: append(os.Environ(), "SIDECART_STATE_DSN="+filepath.Join(t.TempDir(), "state.db"))})
	failed := slices.DeleteFunc(v.Names(conformance.Failed), func(name string) bool { return name == "pace" }) // that of this machine today
	assert.Empty(t, failed, "%s", v.Words())
	assert.Empty(t, v.Names(conformance.Skipped))
	assert.Empty(t, v.Left)
}

func TestASetInMemoryIsUnsafeAndSaysWhy(t *testing.T) {
	t.Parallel() // most of it is waiting for a broker that brings nothing
	v := probed(t, Config{Set: "testdata/in-memory", Store: true, Broker: true})
	assert.Equal(t, conformance.LevelUnsafe, v.Level())
	assert.Equal(t, []string{"one-store", "restart", "broker-delivers"}, v.Names(conformance.Failed), "%s", v.Words())
	for _, words := range []string{"NOT safe", "each process of a shop would have a store of its own", "receipt", "none of them arrived", "Not tried: broker-envelope"} {
		assert.Contains(t, strings.ToLower(v.Words()), strings.ToLower(words))
	}
}

// Our sidecar starts without its broker and goes on trying (runtime/daprd/latebroker), so this is a broker that takes nothing.
func TestABrokerThatIsNotThereFailsByName(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pubsub.yaml"), []byte("apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: pubsub}\n"+
		"spec: {type: pubsub.redis, version: v1, metadata: [{name: redisHost, value: '127.0.0.1:1'}]}\n"), 0o600))
	v := probed(t, Config{Set: dir, Broker: true})
	assert.Equal(t, []string{"broker-delivers"}, v.Names(conformance.Failed))
	assert.Contains(t, v.Words(), "the broker has not answered since this sidecar started")
}

func TestAStoreThatIsNotThereIsAnErrorInDaprdsWords(t *testing.T) {
	t.Setenv("SIDECART_STATE_DSN", filepath.Join(t.TempDir(), "not", "there", "state.db"))
	_, err := Run(t.Context(), Config{Daprd: sidecartest.Binary(t), Set: "../../../components/embedded", Store: true}, nil, nil)
	assert.ErrorContains(t, err, "unable to open database file")
}

func TestTheAppTakesEventsFromItsSidecarOnly(t *testing.T) {
	a, err := newApp("t")
	require.NoError(t, err)
	defer a.stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	post := func(token, body string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:"+strconv.Itoa(a.port)+"/events", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("dapr-api-token", token)
		resp, err := client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	assert.Equal(t, http.StatusUnauthorized, post("", `{}`))
	assert.Equal(t, http.StatusServiceUnavailable, post(a.token, `{"id":"1","data":{}}`), "nobody hears yet")
	a.deliverTo(conformance.NewBroker(nil, "t"))
	assert.Equal(t, http.StatusOK, post(a.token, `{"id":"1","data":{}}`))
	assert.Equal(t, http.StatusServiceUnavailable, post(a.token, `no event`))
	assert.Equal(t, http.StatusBadRequest, post(a.token, strings.Repeat("x", maxEventBytes+1)))
}
