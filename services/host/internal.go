package host

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// internalRoutes are for operators on this machine: metrics, health in detail and, if asked for, profiles.
func (h *Host) internalRoutes() http.Handler {
	e := httpx.NewEcho(httpx.Config{Listener: "internal", HandlerTimeout: h.cfg.HTTP.HandlerTimeout}, httpx.Deps{
		Log: h.out.Log, Metrics: h.metrics, NewID: h.out.NewID,
	})
	e.GET(livePath, h.health)
	e.GET(healthPath, h.health)
	e.GET(readyPath, h.readiness)
	mux := http.NewServeMux()
	mux.Handle("/", e)
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.out.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	if h.cfg.PProfToken != "" {
		mux.Handle("GET /debug/pprof/", shown(h.cfg.PProfToken, profiles(), e))
	}
	return mux
}

// profiles are Go's own. A CPU profile takes longer than any other request; it has no deadline of ours. The command line is left out.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.Handle("/debug/pprof/cmdline", http.NotFoundHandler())
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// shown lets those through who show the token as "Authorization: Bearer …". To everybody else there is nothing here, as if profiles
// were off: they say what the process computes with, and a heap has its secrets.
func shown(token string, through, otherwise http.Handler) http.Handler {
	// Digests have one length, so that comparing them in constant time does not give away the token's.
	want := sha256.Sum256([]byte("Bearer " + token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			otherwise.ServeHTTP(w, r)
			return
		}
		through.ServeHTTP(w, r)
	})
}
