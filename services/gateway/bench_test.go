package gateway

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// instant answers every request at once with the same order, in one piece, as the host does for a service in the same process.
type instant struct{ answer []byte }

type piece struct{ *bytes.Buffer }

func (piece) Close() error { return nil }

func (t instant) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusCreated, Body: piece{bytes.NewBuffer(t.answer)}, ContentLength: int64(len(t.answer)), Request: r,
		Header: http.Header{"Content-Type": {"application/json"}, "Location": {"/v1/things/1"}, "X-Request-Id": {"1"}},
	}, nil
}

// BenchmarkRequest is what the gateway adds to a request with a token and a body, its listener's connection and the service apart.
func BenchmarkRequest(b *testing.B) {
	u := &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}
	account := newSigner(b)
	s := closedGateway(b, u, account)
	fast, err := New(s.cfg, host.Deps{Now: time.Now, Client: &http.Client{Transport: instant{bytes.Repeat([]byte("x"), 600)}}, Services: []string{Name}})
	require.NoError(b, err)
	fast.book, fast.verifier = s.book, s.verifier
	body := []byte(`{"name":"` + strings.Repeat("y", 239) + `"}`)
	asked := httptest.NewRequest(http.MethodPost, "http://localhost/v1/things", nil)
	asked.ContentLength = int64(len(body))
	asked.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {"key-1"}, "User-Agent": {"bench"}, "Content-Length": {"250"},
		"Authorization": {account.token("olga", "", identity.RoleOperator, time.Hour)}}
	b.ReportAllocs()
	for b.Loop() {
		r := *asked
		r.Body = io.NopCloser(bytes.NewReader(body))
		w := &forgetful{header: http.Header{}}
		fast.public.ServeHTTP(w, &r)
		if w.status != http.StatusCreated || w.bytes != 600 {
			b.Fatal(w.status, w.bytes)
		}
	}
}

// forgetful counts what is written to it.
type forgetful struct {
	header        http.Header
	status, bytes int
}

func (w *forgetful) Header() http.Header    { return w.header }
func (w *forgetful) WriteHeader(status int) { w.status = status }
func (w *forgetful) Write(p []byte) (int, error) {
	w.bytes += len(p)
	return len(p), nil
}
