package probe

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/conformance"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// maxEventBytes holds the largest event of the suite and its envelope.
const maxEventBytes = 2 * sidecar.MaxValueBytes

// app is what the sidecar hands events to: one route, on loopback, for whoever shows the token.
type app struct {
	port   int
	token  string
	topic  string
	server *http.Server
	broker atomic.Pointer[conformance.Broker]
}

func newApp(topic string) (*app, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	a := &app{port: listener.Addr().(*net.TCPAddr).Port, token: rand.Text(), topic: topic}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /dapr/subscribe", a.subscriptions)
	routes.HandleFunc("POST /events", a.event)
	a.server = &http.Server{Handler: a.guarded(routes), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = a.server.Serve(listener) }() // ends with stop
	return a, nil
}

// deliverTo says who hears of events; those that come before are refused.
func (a *app) deliverTo(b *conformance.Broker) { a.broker.Store(b) }

func (a *app) stop() { _ = a.server.Close() }

func (a *app) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("dapr-api-token")), []byte(a.token)) != 1 {
			http.Error(w, "not the sidecar", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *app) subscriptions(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, []sidecar.Subscription{sidecar.NewSubscription(sidecar.PubSub, a.topic, "/events")})
}

func (a *app) event(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxEventBytes+1))
	if err != nil || len(body) > maxEventBytes {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	event, err := sidecar.DecodeCloudEvent(body)
	b := a.broker.Load()
	if err != nil || b == nil || !b.Deliver(event) {
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"status":"SUCCESS"}`)
}
