package identity

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// metrics tell how tokens fare. They carry no subject, issuer or token.
type metrics struct {
	checked, cached prometheus.Counter
	refused         *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, v *Verifier) *metrics {
	accepted := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sidecart_tokens_accepted_total", Help: "Access tokens that were good, by whether their signature was checked or remembered.",
	}, []string{"by"})
	m := &metrics{
		checked: accepted.WithLabelValues("signature"), cached: accepted.WithLabelValues("memory"),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sidecart_tokens_refused_total", Help: "Access tokens that were not good, by reason.",
		}, []string{"reason"}),
	}
	remembered := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sidecart_tokens_remembered", Help: "Verified tokens that are remembered.",
	}, func() float64 { return float64(v.cache.len()) })
	if reg != nil {
		reg.MustRegister(accepted, m.refused, remembered)
	}
	return m
}

// count counts a token whose check has failed.
func (m *metrics) count(e *errs.Error) {
	if e.Kind == errs.Unauthenticated {
		m.refused.WithLabelValues("invalid").Inc()
		return
	}
	m.refused.WithLabelValues("no_keys").Inc()
}
