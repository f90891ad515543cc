package cluster_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecart/sidecart/k8s/cluster"
	"github.com/sidecart/sidecart/k8s/cluster/sandbox"
)

// redisOutside is the Redis that the overlay of that name wants to be given.
const redisOutside = sandbox.Bridge + ":6379"

// sells tells whether the overlay can be run here: its store is Redis.
func (o *overlay) sells() bool { return o.set == "redis" }

// outside is what the Secret "sidecart" says here in the place of its example: where the world outside the cluster is. The overlay that
// brings everything needs nothing.
func (o *overlay) outside() map[string]string {
	if o.name != "redis" {
		return nil
	}
	return map[string]string{
		"REDIS_HOST":  redisOutside,
		"PAYMENT_URL": "http://127.0.0.1:8090/provider", "SMS_URL": "http://127.0.0.1:8090/sms", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": "8025",
	}
}

// startOutside starts what the Secret names: a Redis beside the cluster and, on the loopback of each pod that calls it, a stand-in for
// the payment provider, mail and SMS. Traces go to a collector of ours.
func (o *overlay) startOutside(t *testing.T, placed map[string]*cluster.RunningPod) {
	if o.name != "redis" {
		return
	}
	redis, err := exec.LookPath("redis-server")
	require.NoError(t, err)
	dir := t.TempDir()
	host, port, err := net.SplitHostPort(redisOutside)
	require.NoError(t, err)
	p, err := sandbox.Start(dir, "redis", redis, []string{
		"--bind", host, "--port", port, "--requirepass", o.secret["REDIS_PASSWORD"], "--appendonly", "yes", "--dir", dir,
	}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Stop(10*time.Second)) })
	for _, app := range []string{"payment", "notify"} {
		data, err := placed[app].Folder("outside")
		require.NoError(t, err)
		require.NoError(t, placed[app].Beside(sandbox.Container{
			Name: "outside", Args: []string{"/sidecart", "sandbox"},
			Env: []string{"SIDECART_SANDBOX_PORT=8090", "SIDECART_SMTP_PORT=8025", "SIDECART_SANDBOX_DIR=/data"},
			Mounts: []sandbox.Mount{
				{From: filepath.Join(o.bin, "sidecart"), To: "/sidecart", ReadOnly: true}, {From: data, To: "/data"},
			},
		}))
	}
}

// start starts a pod of every workload with the arguments, the environment and the volumes that the API server shows: everything that the
// sidecars know comes from the operator.
func (o *overlay) start(t *testing.T, placed map[string]*cluster.RunningPod) {
	begun := time.Now()
	o.startOutside(t, placed)
	names := slices.Sorted(maps.Keys(placed))
	// Stores first, so that no sidecar has to wait for one.
	slices.SortStableFunc(names, func(a, b string) int { return rank(placed[a]) - rank(placed[b]) })
	var pods []*cluster.RunningPod
	for _, name := range names {
		pods = append(pods, placed[name])
	}
	require.NoError(t, o.node.Start(t.Context(), pods...))
	for i, p := range pods {
		if unasked := p.Unasked(); len(unasked) > 0 {
			t.Logf("%s: %s: not asked, for they run commands that the container here has not got: %s", o.name, names[i], strings.Join(unasked, ", "))
		}
	}
	t.Logf("%s: %s are ready after %.0f s", o.name, strings.Join(names, ", "), time.Since(begun).Seconds())
	o.checkListeners(t, placed)
}

// sell puts stock, signs a customer up, orders, pays, and sees that everybody has heard of it; and that who may not, cannot.
func (o *overlay) sell(t *testing.T, placed map[string]*cluster.RunningPod) {
	stranger := shop{base: "http://" + net.JoinHostPort(gateway(placed).IP(), "8080")}
	operator, bob := stranger.as(o.token(t)), stranger.as(o.token(t, "--role", "customer", "--subject", "bob"))
	const sku, put = "/v1/inventory/moka-pot", `{"title":"Moka pot","price":{"amount":2990,"currency":"EUR"},"quantity":2}`
	operator.must(t, http.StatusCreated, http.MethodPut, sku, put)
	bob.must(t, http.StatusForbidden, http.MethodPut, sku, put)

	const account = `{"email":"ada@example.com","password":"seven green parakeets"}`
	stranger.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts", account)
	session := stranger.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts/sessions", account)
	token, _ := session["access_token"].(string)
	require.NotEmpty(t, token)
	ada := stranger.as(token)

	const one = `{"contact":{"email":"ada@example.com"},"lines":[{"sku":"moka-pot","quantity":1}]}`
	stranger.must(t, http.StatusUnauthorized, http.MethodPost, "/v1/orders", one)
	order := ada.must(t, http.StatusCreated, http.MethodPost, "/v1/orders", one)
	id, _ := order["id"].(string)
	require.NotEmpty(t, id)
	bob.must(t, http.StatusConflict, http.MethodPost, "/v1/orders", `{"contact":{"email":"bob@example.com"},"lines":[{"sku":"moka-pot","quantity":2}]}`)
	bob.must(t, http.StatusNotFound, http.MethodGet, "/v1/orders/"+id, "")
	ada.must(t, http.StatusAccepted, http.MethodPost, "/v1/orders/"+id+"/payment", `{"method":"card"}`)
	eventually(t, "the order is paid, the stock sold and the customer told", func(ctx context.Context) error {
		return ada.sold(ctx, "/v1/orders/"+id, sku)
	})
	o.checkRules(t, operator)
	t.Logf("%s: sold one of two moka pots: put, signed up and in, ordered, refused what is not there or somebody else's, paid, sold, told", o.name)
}

// checkRules: the gateway goes by the rules that its ConfigMap has.
func (o *overlay) checkRules(t *testing.T, operator shop) {
	config, err := o.server.Client.CoreV1().ConfigMaps(namespace).Get(t.Context(), "gateway-rules", metav1.GetOptions{})
	require.NoError(t, err)
	rules := operator.must(t, http.StatusOK, http.MethodGet, "/v1/ops/rules", "")
	assert.Equal(t, hash(config.Data["gateway.yaml"])[:12], rules["digest"], "%v", rules)
}

// gateway is the pod that listens to the public.
func gateway(placed map[string]*cluster.RunningPod) *cluster.RunningPod {
	if p := placed["gateway"]; p != nil {
		return p
	}
	return placed["sidecart"]
}

// rank orders workloads for their start: what is no app of Dapr first.
func rank(p *cluster.RunningPod) int {
	if sidecarOf(p.Object) == nil {
		return 0
	}
	return 1
}

// checkListeners: from outside a pod nobody reaches the app or its sidecar's API; both listen on the pod's loopback.
func (o *overlay) checkListeners(t *testing.T, placed map[string]*cluster.RunningPod) {
	for _, app := range o.apps(placed) {
		for _, port := range []string{"7000", "3500", "50001"} {
			conn, err := net.DialTimeout("tcp", net.JoinHostPort(placed[app].IP(), port), time.Second)
			if assert.Error(t, err, "port %s of %s can be reached from outside the pod", port, app) {
				continue
			}
			_ = conn.Close()
		}
	}
}

// shop is a gateway as somebody asks it.
type shop struct{ base, token string }

// as is the same gateway asked with an access token.
func (s shop) as(token string) shop { return shop{s.base, token} }

// do sends one request and answers the status and the members of the document that came back.
func (s shop) do(ctx context.Context, method, path, body string) (int, map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", fmt.Sprintf("%x", sha256.Sum256([]byte(path+body))))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return 0, nil, err
	}
	var members map[string]any
	if err := json.Unmarshal(said, &members); err != nil && len(said) > 0 {
		return 0, nil, fmt.Errorf("%s %s: %s: %q", method, path, res.Status, said)
	}
	return res.StatusCode, members, nil
}

// must repeats a request while the outcome is unknown (503), which is safe, and wants the status.
func (s shop) must(t *testing.T, want int, method, path, body string) map[string]any {
	t.Helper()
	var got map[string]any
	eventually(t, method+" "+path, func(ctx context.Context) error {
		status, members, err := s.do(ctx, method, path, body)
		switch {
		case err != nil:
			return err
		case status == http.StatusServiceUnavailable:
			return fmt.Errorf("%d: %v", status, members["detail"])
		case status != want:
			return cluster.Final(fmt.Errorf("%d, want %d: %v", status, want, members))
		}
		got = members
		return nil
	})
	return got
}

// sold tells whether a paid order has arrived everywhere.
func (s shop) sold(ctx context.Context, order, sku string) error {
	_, paid, err := s.do(ctx, http.MethodGet, order, "")
	if err != nil {
		return err
	}
	_, stock, err := s.do(ctx, http.MethodGet, sku, "")
	if err != nil {
		return err
	}
	_, told, err := s.do(ctx, http.MethodGet, order+"/notifications", "")
	if err != nil {
		return err
	}
	items, _ := told["items"].([]any)
	sent := slices.ContainsFunc(items, func(item any) bool {
		one, _ := item.(map[string]any)
		return one["template"] == "order_paid" && one["status"] == "sent"
	})
	if paid["status"] == "paid" && stock["available"] == 1.0 && stock["reserved"] == 0.0 && stock["sold"] == 1.0 && sent {
		return nil
	}
	return fmt.Errorf("order %v, stock %v, notifications %v", paid["status"], stock, items)
}
