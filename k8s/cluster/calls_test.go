package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/k8s/cluster"
	"github.com/sidecart/sidecart/k8s/cluster/sandbox"
)

// checkCalls: an app may call the routes of another that the Configuration names, and no others; its sidecar's identity tells who calls.
func (o *overlay) checkCalls(t *testing.T, placed map[string]*cluster.RunningPod) {
	const hold = "/v1.0/invoke/inventory/method/inventory/internal/holds"
	for _, one := range []struct {
		from, method, path string
		allowed            bool
	}{
		{"order", http.MethodPost, hold, true},
		{"payment", http.MethodPost, hold, false},
		{"gateway", http.MethodPost, hold, false},
		{"order", http.MethodGet, hold, false},
		{"notify", http.MethodGet, "/v1.0/invoke/order/method/order/journal", true},
		{"notify", http.MethodGet, "/v1.0/invoke/payment/method/payment/journal", false},
		{"gateway", http.MethodGet, "/v1.0/invoke/account/method/account/internal/revoked", true},
		{"order", http.MethodGet, "/v1.0/invoke/account/method/account/internal/revoked", false},
		{"gateway", http.MethodGet, "/v1.0/invoke/account/method/account/journal", false},
	} {
		got := o.callFrom(t, placed[one.from], one.method, "http://127.0.0.1:3500"+one.path, "{}")
		refused := got.Status == http.StatusForbidden && strings.Contains(got.Body, "access control policy")
		assert.Equal(t, !one.allowed, refused, "%s %s %s: %d %s", one.from, one.method, one.path, got.Status, got.Body)
		t.Logf("%s: %s calls %s %s: %d", o.name, one.from, one.method, one.path, got.Status)
	}
}

// callFrom makes a call from inside a pod, with what its app has in its environment.
func (o *overlay) callFrom(t *testing.T, p *cluster.RunningPod, method, url, body string) reply {
	program, err := os.Executable()
	require.NoError(t, err)
	said, err := o.node.Exec(t.Context(), p, p.Object.Spec.Containers[0], program, "call", method, url, body)
	require.NoError(t, err)
	var got reply
	require.NoError(t, json.Unmarshal([]byte(said), &got))
	return got
}

// collector takes traces and forgets them, but for who sent some.
type collector struct {
	mu   sync.Mutex
	from map[string]bool // addresses of pods
}

// newCollector serves under the name that k8s/components/tracing gives.
func newCollector(t *testing.T, n *cluster.Node) *collector {
	c := &collector{from: map[string]bool{}}
	l, err := net.Listen("tcp", sandbox.Bridge+":4318")
	require.NoError(t, err)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ip, _, err := net.SplitHostPort(r.RemoteAddr); err == nil && r.URL.Path == "/v1/traces" {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.from[ip] = true
		}
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	n.Name("otel-collector.monitoring", sandbox.Bridge)
	return c
}

// checkTraces: the pods that a sale went through have sent traces.
func (o *overlay) checkTraces(t *testing.T, placed map[string]*cluster.RunningPod, apps ...string) {
	eventually(t, "traces", func(context.Context) error {
		o.traces.mu.Lock()
		defer o.traces.mu.Unlock()
		silent := slices.DeleteFunc(slices.Clone(apps), func(app string) bool { return o.traces.from[placed[app].IP()] })
		if len(silent) > 0 {
			return errors.New(fmt.Sprint("no traces from ", silent))
		}
		return nil
	})
	t.Logf("%s: traces arrived from %s", o.name, strings.Join(apps, ", "))
}
