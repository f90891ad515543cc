package host

import (
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
	if h.cfg.PProf {
		// A CPU profile takes longer than any other request; it has no deadline of ours.
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}
