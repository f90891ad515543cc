package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

// orderCanary is a second release of order, beside the first.
const orderCanary = "order-canary"

// TestAReleaseBesideAnother: order runs as two apps on one journal. A header chooses, a percentage of the customers always has the
// same one, whichever gateway process asks, and what one has placed the other knows.
func TestAReleaseBesideAnother(t *testing.T) {
	const customers = 40
	rules := rulesFile(t, "percent: 50", "off: true") // on a machine with much else to do either release may be the slower one for a while
	s := harness.Open(t, harness.Split, withCanary(t, nil), harness.WithEnv("SIDECART_GATEWAY_RULES", rules))
	sku := stocked(t, s, 1000)
	var orders []string
	for _, stage := range []string{"stable", "canary"} {
		before := askedOfCanary(t, s)
		placedThere := placedBy(t, s, "ada", sku, stage)
		orders = append(orders, placedThere.ID)
		read, err := s.Order(t.Context(), placedThere.ID)
		require.NoError(t, err)
		assert.Equal(t, client.AwaitingPayment, read.Status)
		assert.Equal(t, map[string]float64{"stable": 0, "canary": 1}[stage], askedOfCanary(t, s)-before, stage)
	}
	// Who has which release, before and after the gateway is another process.
	visit := func() (had []bool) {
		for i := range customers {
			before := askedOfCanary(t, s)
			orders = append(orders, placedBy(t, s, "customer-"+strconv.Itoa(i), sku, "").ID)
			had = append(had, askedOfCanary(t, s) > before)
		}
		return had
	}
	first := visit()
	s.Kill(t, "gateway")
	harness.Eventually(t, "the gateway is back", 0, func() error { _, err := s.Stock(t.Context(), sku); return err })
	assert.Equal(t, first, visit(), "a customer changes releases with the gateway's process")
	onCanary := len(slices.DeleteFunc(slices.Clone(first), func(b bool) bool { return !b }))
	assert.InDelta(t, customers/2, onCanary, customers/4, "of %d customers", customers)
	for _, id := range orders {
		require.NoError(t, s.Pay(t.Context(), id, "card"))
	}
	for _, id := range orders {
		becomes(t, s, id, client.Paid)
	}
	audit(t, s, []string{sku}, orders)
}

// TestABrokenReleaseLosesItsCustomers: a release that answers everything with a failure gets a sample and then nobody; reading never
// fails, and neither does anything for who has stable. It rests for longer than the visits can take: who comes back is tried again.
func TestABrokenReleaseLosesItsCustomers(t *testing.T) {
	const visits, sample = 200, 20
	program, err := os.Executable()
	require.NoError(t, err)
	s := harness.Open(t, harness.Split, harness.WithEnv("SIDECART_GATEWAY_RULES", rulesFile(t, "weight: 100", "rest: 1h")),
		withCanary(t, []string{program, "-test.run=^TestBrokenRelease$"}))
	sku := stocked(t, s, 1000)
	mine := placedBy(t, s, "ada", sku, "stable")
	failed := 0
	for range visits {
		_, err := s.For("ada").Place(t.Context(), uuid.NewString(), basket(sku, 1))
		if err != nil {
			failed++
		}
		_, err = s.For("ada").Order(t.Context(), mine.ID)
		require.NoError(t, err, "reading is asked of stable, too")
	}
	assert.Equal(t, sample, failed, "of %d orders, half of which were the broken release's at first", visits)
	answer, err := s.Do(t.Context(), http.MethodGet, "/v1/ops/gray", nil, nil)
	require.NoError(t, err)
	var report client.List[routeReport]
	require.NoError(t, answer.Into(&report))
	place := slices.IndexFunc(report.Items, func(r routeReport) bool { return r.Route == "placeOrder" })
	require.GreaterOrEqual(t, place, 0, "%s", answer.Body)
	canary := report.Items[place].Stages[1]
	assert.Equal(t, "resting", canary.State)
	require.NotEmpty(t, canary.Changes)
	assert.Contains(t, canary.Changes[0].Why, "fell behind")
}

// routeReport is an item of GET /v1/ops/gray.
type routeReport struct {
	Route  string
	Stages []struct {
		Stage, State string
		Changes      []struct{ Why string }
	}
}

// TestBrokenRelease is no test: it is the program of the release that fails.
func TestBrokenRelease(t *testing.T) {
	port := os.Getenv("APP_PORT")
	if port == "" {
		t.Skip("APP_PORT is not set: another test runs this as a program, beside a sidecar")
	}
	err := http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz":
		case "/dapr/subscribe":
			_, _ = io.WriteString(w, "[]")
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	require.NoError(t, err)
}

// rulesFile is a gateway.yaml in which order's routes have a canary that gets what is said and is judged so.
func rulesFile(t *testing.T, gets, judge string) string {
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	text := "version: 1\nroutes:\n"
	for _, operation := range []string{"placeOrder", "getOrder"} {
		text += fmt.Sprintf("  %s: {gray: {canary: {app: %s, version: 1.1.0, %s}, judge: {%s}}}\n", operation, orderCanary, gets, judge)
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// withCanary runs order as a second app, by another command if there is one, and lets it use what order uses.
func withCanary(t *testing.T, command []string) harness.Option {
	set := filepath.Join(t.TempDir(), "embedded")
	require.NoError(t, os.CopyFS(set, os.DirFS(setFolder(embedded))))
	files, err := filepath.Glob(filepath.Join(set, "*.yaml"))
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		text = regexp.MustCompile(`(?m)^(scopes: \[.*)\border\b`).ReplaceAll(text, []byte("${1}order, "+orderCanary))
		require.NoError(t, os.WriteFile(f, text, 0o600))
	}
	return func(o *run.Options) {
		o.Resources = []string{set}
		order := slices.IndexFunc(o.File.Apps, func(a run.App) bool { return a.ID == "order" })
		release := o.File.Apps[order]
		release.ID, release.Name, release.Env = orderCanary, orderCanary, maps.Clone(release.Env)
		release.AppPort, release.DaprHTTPPort, release.DaprGRPCPort, release.DaprInternalGRPCPort, release.MetricsPort = 0, 0, 0, 0, 0
		if command != nil {
			release.Command = command
		}
		o.File.Apps = slices.Insert(o.File.Apps, order+1, release)
	}
}

// placedBy places an order of a customer, at the stage that a header names if there is one.
func placedBy(t *testing.T, s *harness.Shop, customer, sku, stage string) (o client.Order) {
	t.Helper()
	header := http.Header{"Idempotency-Key": {uuid.NewString()}}
	if stage != "" {
		header.Set("X-Release-Stage", stage)
	}
	want := basket(sku, 1)
	want.Customer = customer
	answer, err := s.For(customer).Do(t.Context(), http.MethodPost, "/v1/orders", header, want)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, answer.Status, "%s", answer.Body)
	require.NoError(t, answer.Into(&o))
	return o
}

// askedOfCanary is how many orders the canary's process has been asked to place.
func askedOfCanary(t *testing.T, s *harness.Shop) (sum float64) {
	t.Helper()
	resp, err := http.Get(s.Stack.URLs().Internal[orderCanary] + "/metrics")
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^http_request_duration_seconds_count\{[^}]*method="POST",route="/order/v1/orders"[^}]*\} (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		sum += n
	}
	return sum
}
