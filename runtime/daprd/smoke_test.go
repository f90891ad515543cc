package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/runtime/broker"
	"github.com/sidecart/sidecart/runtime/porttest"
)

const (
	apiToken   = "smoke-test-token"
	startWait  = 30 * time.Second
	stopWait   = 15 * time.Second
	checkEvery = 20 * time.Millisecond
)

// TestEmbeddedSetLoadsAndCommitsOnce runs daprd with the component files that
// are shipped, beside the embedded broker.
func TestEmbeddedSetLoadsAndCommitsOnce(t *testing.T) {
	skipIfShort(t)
	dir := t.TempDir()
	d := startDaprd(t, "sidecart", dir, []string{
		"SIDECART_STATE_DSN=" + filepath.Join(dir, "state.db"),
		"SIDECART_NATS_URL=" + startBroker(t),
		"SIDECART_NAMES_DIR=" + dir + "/",
		"SIDECART_ACCOUNT_KEYS=keys-of-a-test", "SIDECART_ACCOUNT_OTHER=hidden",
	}, "../../components/embedded", "../../dapr-config")
	d.waitReady(t)

	assert.Equal(t, map[string]string{
		"state":            "state.sqlite/v1",
		"pubsub":           "pubsub.jetstream/v1",
		"payment-provider": "bindings.http/v1",
		"sms":              "bindings.http/v1",
		"mail":             "bindings.smtp/v1",
		"secrets":          "secretstores.local.env/v1",
		"account-secrets":  "secretstores.local.env/v1",
	}, d.components(t))
	assert.FileExists(t, filepath.Join(dir, "state.db"), "the environment wins over the file's value")

	const create = `[{"key":"order/journal/0/1","value":%d,"options":{"concurrency":"first-write"}}]`
	status, body := d.call(t, http.MethodPost, "/v1.0/state/state", fmt.Sprintf(create, 1))
	assert.Equal(t, http.StatusNoContent, status, body)
	status, body = d.call(t, http.MethodPost, "/v1.0/state/state", fmt.Sprintf(create, 2))
	assert.Equal(t, http.StatusConflict, status, body)
	_, body = d.call(t, http.MethodGet, "/v1.0/state/state/order%2Fjournal%2F0%2F1", "")
	assert.Equal(t, "1", body)

	status, body = d.call(t, http.MethodPost, "/v1.0/publish/pubsub/order", `{"hint":true}`)
	assert.Equal(t, http.StatusNoContent, status, body)

	for _, secret := range []string{"secrets/STATE_DSN", "secrets/ACCOUNT_KEYS", "account-secrets/OTHER"} {
		status, body = d.call(t, http.MethodGet, "/v1.0/secrets/"+secret, "")
		assert.Equal(t, http.StatusForbidden, status, body)
	}
	status, body = d.call(t, http.MethodGet, "/v1.0/secrets/account-secrets/KEYS", "")
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"KEYS":"keys-of-a-test"}`, body)
	status, body = d.call(t, http.MethodGet, "/v1.0/secrets/account-secrets/bulk", "")
	assert.NotContains(t, body, "hidden", status)

	assert.Contains(t, d.log(), "Configuring SQLite name resolution")
	assert.NotContains(t, d.log(), "expired data clean up", "of names, which would end every sidecar after an hour: see config.yaml")
}

// TestScopesKeepComponentsFromOtherApps starts it as an app that owns no data.
func TestScopesKeepComponentsFromOtherApps(t *testing.T) {
	skipIfShort(t)
	dir := t.TempDir()
	d := startDaprd(t, "gateway", dir, []string{"SIDECART_NAMES_DIR=" + dir + "/"}, "../../components/embedded", "../../dapr-config")
	d.waitReady(t)
	assert.Equal(t, map[string]string{"secrets": "secretstores.local.env/v1"}, d.components(t))
}

func TestInMemoryComponentsLoad(t *testing.T) {
	skipIfShort(t)
	dir := t.TempDir()
	writeComponent(t, dir, "scratch", "state.in-memory")
	writeComponent(t, dir, "local", "pubsub.in-memory")
	d := startDaprd(t, "smoke", dir, []string{"SIDECART_NAMES_DIR=" + dir + "/"}, dir)
	d.waitReady(t)
	assert.Equal(t, map[string]string{
		"scratch": "state.in-memory/v1",
		"local":   "pubsub.in-memory/v1",
	}, d.components(t))
}

func TestUnknownComponentEndsTheProcessAndIsNamed(t *testing.T) {
	skipIfShort(t)
	dir := t.TempDir()
	writeComponent(t, dir, "state", "state.paper")
	d := startDaprd(t, "smoke", dir, []string{"SIDECART_NAMES_DIR=" + dir + "/"}, dir)
	select {
	case err := <-d.ended:
		require.Error(t, err, "exit status 0")
		d.ended <- nil
	case <-time.After(startWait):
		require.Fail(t, "daprd goes on", d.log())
	}
	assert.Contains(t, d.log(), "state.paper")
}

func skipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts daprd processes")
	}
}

func writeComponent(t *testing.T, dir, name, kind string) {
	t.Helper()
	text := fmt.Sprintf("apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: %s\nspec:\n  type: %s\n  version: v1\n  metadata: []\n", name, kind)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600))
}

func startBroker(t *testing.T) string {
	t.Helper()
	b, err := broker.New(broker.Config{
		StoreDir:      t.TempDir(),
		Topics:        []string{"order"},
		TopicMaxBytes: broker.DefaultTopicMaxBytes,
		TopicMaxAge:   broker.DefaultTopicMaxAge,
	}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	select {
	case <-b.Ready():
	case err := <-ended:
		ended <- nil
		require.FailNow(t, "broker ended", "%v", err)
	}
	return b.NATSURL()
}

// daprd is one sidecar process without an app.
type daprd struct {
	baseURL string
	ended   chan error
	output  *lockedBuffer
}

// startDaprd starts the process and makes the test's end stop it gracefully.
func startDaprd(t *testing.T, appID, dir string, env []string, resources ...string) *daprd {
	t.Helper()
	return startDaprdWith(t, appID, dir, env, nil, resources...)
}

// startEmbedded starts a daprd for the app sidecart on the embedded set, with a broker and a store of the test's own, and waits until it is
// ready. outside says where the outside world is.
func startEmbedded(t *testing.T, outside ...string) *daprd {
	t.Helper()
	dir := t.TempDir()
	d := startDaprd(t, "sidecart", dir, append([]string{
		"SIDECART_STATE_DSN=" + dir + "/state.db", "SIDECART_NATS_URL=" + startBroker(t), "SIDECART_NAMES_DIR=" + dir + "/",
	}, outside...), "../../components/embedded", "../../dapr-config")
	d.waitReady(t)
	return d
}

// startDaprdWith is startDaprd with more arguments.
func startDaprdWith(t *testing.T, appID, dir string, env, more []string, resources ...string) *daprd {
	t.Helper()
	ports := porttest.Free(t, 3)
	args := []string{
		"--app-id", appID,
		"--dapr-listen-addresses", "127.0.0.1", "--dapr-http-port", strconv.Itoa(ports[0]), "--dapr-grpc-port", strconv.Itoa(ports[1]),
		"--dapr-internal-grpc-listen-address", "127.0.0.1", "--dapr-internal-grpc-port", strconv.Itoa(ports[2]),
		"--enable-metrics=false", "--scheduler-host-address", "", "--placement-host-address", "",
		"--config", absolute(t, "../../dapr-config/config.yaml"),
	}
	args = append(args, more...)
	for _, folder := range resources {
		args = append(args, "--resources-path", absolute(t, folder))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	d := &daprd{baseURL: "http://127.0.0.1:" + strconv.Itoa(ports[0]), ended: make(chan error, 1), output: &lockedBuffer{}}
	cmd := exec.Command(self, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), asDaprd+"=1", "DAPR_API_TOKEN="+apiToken), env...)
	cmd.Stdout, cmd.Stderr = d.output, d.output
	require.NoError(t, cmd.Start())
	go func() { d.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-d.ended:
			assert.NoError(t, err, d.log())
		case <-time.After(stopWait):
			_ = cmd.Process.Kill()
			assert.Fail(t, "daprd did not end on SIGTERM", d.log())
		}
	})
	return d
}

func (d *daprd) waitReady(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		resp, err := http.Get(d.baseURL + "/v1.0/healthz/outbound")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusNoContent
	}, startWait, checkEvery, "daprd is not ready")
}

// components asks the metadata endpoint: name → type/version.
func (d *daprd) components(t *testing.T) map[string]string {
	t.Helper()
	status, body := d.call(t, http.MethodGet, "/v1.0/metadata", "")
	require.Equal(t, http.StatusOK, status, body)
	var answer struct {
		Components []struct{ Name, Type, Version string }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	loaded := make(map[string]string, len(answer.Components))
	for _, c := range answer.Components {
		loaded[c.Name] = c.Type + "/" + c.Version
	}
	return loaded
}

func (d *daprd) call(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, d.baseURL+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("dapr-api-token", apiToken)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer)
}

func (d *daprd) log() string { return d.output.String() }

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	require.NoError(t, err)
	return abs
}

// lockedBuffer is written by the process's output and read by the test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
