package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sidecart/sidecart/services/kit/porttest"
)

const testToken = "a-token-for-the-test"

// startDaprd runs the real daprd with the component files and gives a Client of it.
func startDaprd(t *testing.T, app http.Handler, components map[string]string) (*Client, *daprdProcess) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts no processes")
	}
	daprd, err := filepath.Abs("../../../.bin/daprd")
	require.NoError(t, err)
	if _, err := os.Stat(daprd); err != nil {
		t.Skip("no .bin/daprd: build it with scripts/up or scripts/test")
	}
	dapr, err := filepath.Abs("../../../dapr-config") // the circuit breakers and time limits that are shipped
	require.NoError(t, err)
	dir := t.TempDir()
	for name, text := range components {
		file := filepath.Join(dir, name+".yaml")
		header := "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: " + name + "}\n"
		require.NoError(t, os.WriteFile(file, []byte(header+text), 0o600))
	}
	names := "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: test}\nspec:\n  nameResolution:\n" +
		"    component: sqlite\n    version: v1\n    configuration: {connectionString: \"" + filepath.Join(t.TempDir(), "names.db") + "\"}\n"
	config := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte(names), 0o600))

	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	ports := porttest.Free(t, 3)
	_, appPort, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	output, err := os.Create(filepath.Join(t.TempDir(), "daprd.log"))
	require.NoError(t, err)
	p := &daprdProcess{args: []string{daprd, "--app-id", "test", "--app-port", appPort, "--app-channel-address", "127.0.0.1",
		"--dapr-http-port", strconv.Itoa(ports[0]), "--dapr-grpc-port", strconv.Itoa(ports[1]), "--dapr-listen-addresses", "127.0.0.1",
		"--dapr-internal-grpc-port", strconv.Itoa(ports[2]), "--dapr-internal-grpc-listen-address", "127.0.0.1",
		"--resources-path", dir, "--resources-path", dapr, "--config", config, "--enable-metrics=false", "--scheduler-host-address", "", "--placement-host-address", ""}, output: output}
	p.start(t)
	t.Cleanup(func() {
		p.kill()
		if log, err := os.ReadFile(output.Name()); t.Failed() && err == nil {
			t.Logf("daprd ends with:\n%s", log[max(0, len(log)-2000):])
		}
		_ = output.Close()
	})
	client, err := New(Config{GRPCPort: ports[1], HTTPPort: ports[0], Token: testToken})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, client.Wait(ctx))
	return client, p
}

// daprdProcess can be killed and started again on the same ports.
type daprdProcess struct {
	args   []string
	output *os.File
	cmd    *exec.Cmd
}

func (p *daprdProcess) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Env = append(os.Environ(), "DAPR_API_TOKEN="+testToken)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, p.cmd.Start())
}

func (p *daprdProcess) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
}

// sqlite is a store that outlives its sidecar; %s is its file.
const sqlite = "spec:\n  type: state.sqlite\n  version: v1\n  metadata:\n  - {name: connectionString, value: \"%s\"}\n  - {name: keyPrefix, value: none}\n"

func TestStateOverTheRealSidecar(t *testing.T) {
	stores := map[string]string{
		"sqlite":   sqlite,
		"inmemory": "spec:\n  type: state.in-memory\n  version: v1\n  metadata:\n  - {name: keyPrefix, value: none}\n",
	}
	for name, text := range stores {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(text, "%s") {
				text = fmt.Sprintf(text, filepath.Join(t.TempDir(), "state.db"))
			}
			client, _ := startDaprd(t, http.NotFoundHandler(), map[string]string{StateStore: text})
			t.Run("one key", func(t *testing.T) { oneKey(t, client) })
			t.Run("many keys", func(t *testing.T) { manyKeys(t, client) })
			t.Run("race", func(t *testing.T) { raceToCreate(t, client) })
		})
	}
}

func TestTheSameClientWorksAgainAfterItsSidecarWasKilled(t *testing.T) {
	client, daprd := startDaprd(t, http.NotFoundHandler(), map[string]string{StateStore: fmt.Sprintf(sqlite, filepath.Join(t.TempDir(), "state.db"))})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, client.Create(ctx, "k", []byte(`1`)))
	daprd.kill()
	err := client.Create(ctx, "k2", []byte(`1`))
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrConflict)
	require.NoError(t, ctx.Err(), "it failed at once")
	daprd.start(t)
	require.NoError(t, client.Wait(ctx))
	// gRPC tries the connection again within its back-off, so the first calls may still fail.
	require.Eventually(t, func() bool { item, err := client.Get(ctx, "k"); return err == nil && item.Value != nil }, 20*time.Second, 5*time.Millisecond)
	require.ErrorIs(t, client.Create(ctx, "k", []byte(`2`)), ErrConflict)
}

func oneKey(t *testing.T, s State) {
	ctx := context.Background()
	item, err := s.Get(ctx, "inventory/journal/0/1")
	require.NoError(t, err)
	assert.Nil(t, item.Value)

	require.NoError(t, s.Create(ctx, "inventory/journal/0/1", []byte(`{"n":1}`)))
	require.ErrorIs(t, s.Create(ctx, "inventory/journal/0/1", []byte(`{"n":2}`)), ErrConflict)
	item, err = s.Get(ctx, "inventory/journal/0/1")
	require.NoError(t, err)
	assert.JSONEq(t, `{"n":1}`, string(item.Value))
	require.NotEmpty(t, item.ETag)

	require.NoError(t, s.Replace(ctx, "inventory/journal/0/1", []byte(`{"n":3}`), item.ETag))
	require.Error(t, s.Replace(ctx, "inventory/journal/0/1", []byte(`{"n":4}`), item.ETag), "the ETag is the old one")
	item, err = s.Get(ctx, "inventory/journal/0/1")
	require.NoError(t, err)
	assert.JSONEq(t, `{"n":3}`, string(item.Value))

	require.NoError(t, s.Delete(ctx, "inventory/journal/0/1"))
	require.NoError(t, s.Delete(ctx, "inventory/journal/0/1"), "again")
	item, err = s.Get(ctx, "inventory/journal/0/1")
	require.NoError(t, err)
	assert.Nil(t, item.Value)

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = s.Get(cancelled, "inventory/journal/0/1")
	require.Error(t, err)
}

func manyKeys(t *testing.T, s State) {
	ctx := context.Background()
	big := []byte(`"` + strings.Repeat("x", MaxValueBytes-2) + `"`)
	keys := make([]string, MaxBulkKeys)
	for i := range keys {
		keys[i] = fmt.Sprintf("order/snapshot/0/set/%d", i)
		if i%2 == 0 {
			require.NoError(t, s.Create(ctx, keys[i], big))
		}
	}
	items, err := s.GetBulk(ctx, keys)
	require.NoError(t, err)
	require.Len(t, items, MaxBulkKeys/2)
	assert.Equal(t, len(big), len(items[keys[0]].Value))
	assert.NotEmpty(t, items[keys[0]].ETag)
	items, err = s.GetBulk(ctx, nil)
	require.NoError(t, err)
	assert.Empty(t, items)
	require.Error(t, s.Create(ctx, "order/too/big", append(big, ' ')))
}

func raceToCreate(t *testing.T, s State) {
	const racers, rounds = 8, 10
	for round := range rounds {
		key := fmt.Sprintf("race/%d", round)
		errs := make([]error, racers)
		var wg sync.WaitGroup
		for i := range racers {
			wg.Go(func() { errs[i] = s.Create(context.Background(), key, []byte(strconv.Itoa(i))) })
		}
		wg.Wait()
		item, err := s.Get(context.Background(), key)
		require.NoError(t, err)
		won := 0
		for i, err := range errs {
			if err == nil {
				won++
				assert.Equal(t, strconv.Itoa(i), string(item.Value))
			}
		}
		assert.Equal(t, 1, won)
	}
}

// Whether the app asks for the bytes or, as releases before did, for an event that Dapr has read.
func TestPublishOverTheRealSidecarKeepsTheEnvelope(t *testing.T) {
	for name, metadata := range map[string]map[string]string{"bytes": NewSubscription("", "", "").Metadata, "read by Dapr": nil} {
		t.Run(name, func(t *testing.T) { publishOverTheRealSidecar(t, metadata) })
	}
}

func publishOverTheRealSidecar(t *testing.T, metadata map[string]string) {
	t.Helper()
	got := make(chan []byte, 1)
	app := http.NewServeMux()
	app.HandleFunc("GET /dapr/subscribe", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.MarshalWrite(w, []Subscription{{Component: PubSub, Topic: "order", Route: "/events/order", Metadata: metadata}})
	})
	app.HandleFunc("POST /events/order", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case got <- body:
		default:
		}
		_, _ = io.WriteString(w, `{"status":"SUCCESS"}`)
	})
	client, _ := startDaprd(t, app, map[string]string{PubSub: "spec: {type: pubsub.in-memory, version: v1}\n"})
	event := CloudEvent{
		ID: "order/0/7", Type: "order.segment", Source: "order",
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Data: []byte(`{"seq":7,"events":[]}`),
	}
	// The subscription starts a moment after the sidecar is healthy; in-memory loses what comes before it.
	var body []byte
	require.Eventually(t, func() bool {
		if !assert.NoError(t, client.Publish(context.Background(), "order", event)) {
			return true
		}
		select {
		case body = <-got:
			return true
		case <-time.After(100 * time.Millisecond):
			return false
		}
	}, 20*time.Second, time.Millisecond)
	back, err := DecodeCloudEvent(body)
	require.NoError(t, err)
	assert.Equal(t, event.ID, back.ID)
	assert.Equal(t, event.Type, back.Type)
	assert.Equal(t, event.Source, back.Source)
	assert.JSONEq(t, string(event.Data), string(back.Data))
	assert.Contains(t, back.TraceParent, "4bf92f3577b34da6a3ce929d0e0e4736")
}

func TestBindingsOverTheRealSidecar(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Query().Get("status"))
		w.Header().Set("X-Key", r.Header.Get("Idempotency-Key"))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"path":"`+r.URL.Path+`"}`)
	}))
	defer provider.Close()
	client, _ := startDaprd(t, http.NotFoundHandler(), map[string]string{
		PaymentProvider: "spec:\n  type: bindings.http\n  version: v1\n  metadata:\n  - {name: url, value: \"" + provider.URL + "\"}\n  - {name: errorIfNot2XX, value: \"false\"}\n",
	})
	invoke := func(status int) (BindingResult, error) {
		return client.Invoke(context.Background(), PaymentProvider, "post", []byte(`{}`), map[string]string{
			"path": "/charges?status=" + strconv.Itoa(status), "Idempotency-Key": "k",
		})
	}
	out, err := invoke(http.StatusCreated)
	require.NoError(t, err)
	assert.JSONEq(t, `{"path":"/charges"}`, string(out.Data))
	for _, status := range []int{http.StatusPaymentRequired, http.StatusServiceUnavailable} {
		_, err = invoke(status)
		failure, ok := errors.AsType[*BindingError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, status, failure.Status)
		assert.NotEmpty(t, failure.Data)
	}
	provider.Close()
	_, err = invoke(http.StatusOK)
	require.Error(t, err)
	_, definite := errors.AsType[*BindingError](err)
	assert.False(t, definite, "nobody answered")
	assert.NotErrorIs(t, err, ErrCircuitOpen)
	for range 2 {
		_, err = invoke(http.StatusOK)
		assert.NotErrorIs(t, err, ErrCircuitOpen)
	}
	_, err = invoke(http.StatusOK)
	assert.ErrorIs(t, err, ErrCircuitOpen, "three in a row, as dapr-config/resiliency.yaml says")
}

func TestOnlyTheSidecarsOwnWordsAreAnOpenCircuit(t *testing.T) {
	for text, want := range map[string]bool{
		"error invoking output binding mail: circuit breaker is open":     true,
		"error invoking output binding mail: too many requests":           true,
		"error invoking output binding sms: circuit breaker is open":      false,
		"error invoking output binding mail: 421 4.7.0 too many requests": false,
	} {
		err := fmt.Errorf("error invoking binding mail/create: %w", status.Error(codes.Internal, text))
		assert.Equal(t, want, circuitOpen("mail", err), text)
	}
	assert.False(t, circuitOpen("mail", context.DeadlineExceeded))
}
