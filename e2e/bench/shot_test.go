package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asked is a request as the server saw it.
type asked struct{ path, key, token, body, bearer string }

// till answers with what it is told to, and keeps what it was asked.
func till(t *testing.T, status int, answer string) (base string, last func() asked) {
	t.Helper()
	seen := make(chan asked, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			seen <- asked{r.URL.Path, r.Header.Get("Idempotency-Key"), r.Header.Get("Dapr-Api-Token"), string(body), r.Header.Get("Authorization")}
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() asked { return <-seen }
}

func TestShotsSendWhatTheContractAsksFor(t *testing.T) {
	base, last := till(t, http.StatusCreated, "{}")
	target := Target{Kind: Reservations, Bases: []string{base + "/inventory"}, SKUs: []string{"pot"}, Prefix: "run-", Within: time.Second, Header: map[string]string{"Dapr-Api-Token": "t"}}
	shoot, done, err := shots(target, 1)
	require.NoError(t, err)
	defer done()
	require.Equal(t, Accepted, shoot(0, 7))
	assert.Equal(t, asked{"/inventory/v1/inventory/pot/reservations", "", "t", `{"id":"run-000000000007","quantity":1,"hold_seconds":86400}`, ""}, last())
	require.Equal(t, Accepted, shoot(0, 1234567890123))
	assert.Contains(t, last().body, `"run-1234567890123"`)

	target.SKUs = []string{"pot", "pan"}
	shoot, done, err = shots(target, 1)
	require.NoError(t, err)
	defer done()
	for n, sku := range []string{"pot", "pan", "pot"} {
		require.Equal(t, Accepted, shoot(0, int64(n)))
		assert.Equal(t, "/inventory/v1/inventory/"+sku+"/reservations", last().path)
	}

	shoot, done, err = shots(Target{Kind: Orders, Bases: []string{base}, SKUs: []string{"pot"}, Prefix: "run-", Within: time.Second}, 1)
	require.NoError(t, err)
	defer done()
	require.Equal(t, Accepted, shoot(0, 7))
	assert.Equal(t, asked{"/v1/orders", "run-000000000007", "",
		`{"customer":"run-000000000007","contact":{"email":"bench@example.com"},"lines":[{"sku":"pot","quantity":1}]}`, ""}, last())

	shoot, done, err = shots(Target{Kind: Orders, Bases: []string{base}, SKUs: []string{"pot"}, Tokens: []string{"a", "b"}, Prefix: "run-", Within: time.Second}, 1)
	require.NoError(t, err)
	defer done()
	for n, bearer := range []string{"Bearer a", "Bearer b", "Bearer a"} {
		require.Equal(t, Accepted, shoot(0, int64(n)))
		got := last()
		assert.Equal(t, bearer, got.bearer)
		assert.Equal(t, `{"contact":{"email":"bench@example.com"},"lines":[{"sku":"pot","quantity":1}]}`, got.body, "customers are whom their token names")
	}
}

func TestAnswersAreReadAsWhatTheyPromise(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   Outcome
	}{
		{201, `{}`, Accepted}, {409, `{"code":"sold_out"}`, SoldOut}, {409, `{"code":"id_reused"}`, Wrong}, {404, `{}`, Wrong}, {200, `{}`, Wrong},
		{503, `{"code":"overloaded"}`, Shed}, {503, `{"code":"unavailable"}`, Shed}, {429, ``, Shed},
		{503, `{"code":"outcome_unknown"}`, Unknown}, {500, `{}`, Unknown}, {502, ``, Unknown},
	} {
		assert.Equal(t, c.want, outcomeOf(c.status, []byte(c.body)), "%d %s", c.status, c.body)
	}
}

func TestNoAnswerLeavesTheOutcomeOpen(t *testing.T) {
	var calls atomic.Int64
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		<-release
	}))
	defer s.Close()
	defer close(release)
	shoot, done, err := shots(Target{Kind: Reservations, Bases: []string{s.URL}, SKUs: []string{"pot"}, Within: 50 * ms}, 1)
	require.NoError(t, err)
	defer done()
	assert.Equal(t, Unknown, shoot(0, 1))
	assert.EqualValues(t, 1, calls.Load(), "it is not sent again behind our back")
}

func TestLoadReportsBothEndsOfTheWindowAndWhatCameOfIt(t *testing.T) {
	base, _ := till(t, http.StatusConflict, `{"code":"sold_out"}`)
	plan, err := json.Marshal(Plan{
		Target: Target{Kind: Reservations, Bases: []string{base}, SKUs: []string{"pot"}, Prefix: "x", Within: time.Second},
		Pace:   Pace{Clients: 2, Rate: 100, Warm: 100 * ms, Measure: 200 * ms, Drain: time.Second},
	})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, Load(bytes.NewReader(plan), &out))
	var events []string
	var r Report
	for d := json.NewDecoder(&out); d.More(); {
		r = Report{}
		require.NoError(t, d.Decode(&r))
		events = append(events, r.Event)
	}
	assert.Equal(t, []string{"begun", "ended", "done"}, events)
	assert.EqualValues(t, 30, r.All[SoldOut])
	assert.InDelta(t, 0.2, r.Seconds, 1e-9)
	took, err := unpack(r.Took)
	require.NoError(t, err)
	assert.EqualValues(t, 20, took.TotalCount())
	require.Error(t, Load(strings.NewReader("{"), &out))
}

// BenchmarkClients says why the load is made with fasthttp: both clients against the same server, which runs in this process, too; what
// differs is the client. The figure for the server and the kernel alone is not known, so the real factor is larger.
func BenchmarkClients(b *testing.B) {
	answer := []byte(`{"id":"01234567890123456789-000000000001","sku":"moka-pot","quantity":1,"status":"pending","expires_at":"2026-11-20T20:21:30.985Z"}`)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(answer)
	}))
	defer s.Close()
	perRequest := func(b *testing.B, clients int, send func(client, n int)) {
		before := ownCPU(b)
		b.ResetTimer()
		Drive(Pace{Clients: clients, Rate: 1e9, Measure: time.Duration(b.N), Drain: time.Minute}, func(client int, n int64) Outcome {
			send(client, int(n))
			return Accepted
		}, nobody, nobody)
		b.ReportMetric(float64((ownCPU(b)-before).Microseconds())/float64(b.N), "CPU-µs/op")
	}
	const clients = 64
	b.Run("fasthttp", func(b *testing.B) {
		shoot, done, err := shots(Target{Kind: Reservations, Bases: []string{s.URL}, SKUs: []string{"pot"}, Prefix: "01234567890123456789-", Within: time.Minute}, clients)
		require.NoError(b, err)
		defer done()
		perRequest(b, clients, func(client, n int) {
			if shoot(client, int64(n)) != Accepted {
				b.Error("not accepted")
			}
		})
	})
	b.Run("nethttp", func(b *testing.B) {
		c := &http.Client{Transport: &http.Transport{MaxIdleConns: clients, MaxIdleConnsPerHost: clients}, Timeout: time.Minute}
		perRequest(b, clients, func(_, n int) {
			body := fmt.Sprintf(`{"id":"01234567890123456789-%012d","quantity":1,"hold_seconds":86400}`, n)
			res, err := c.Post(s.URL+"/v1/inventory/pot/reservations", "application/json", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		})
	})
}
