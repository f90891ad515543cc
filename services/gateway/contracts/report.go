package contracts

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Codes of accepting a contract.
const (
	CodeUnknownService = "unknown_service"
	CodeNotRefused     = "contract_not_refused"
)

// Status is what the Book knows of one service.
type Status struct {
	Service    string     `json:"service"`
	State      string     `json:"state"`
	Version    string     `json:"version"` // info.version of the contract in use
	ETag       string     `json:"etag"`
	Since      *time.Time `json:"since,omitempty"` // it is in use
	Operations int        `json:"operations"`
	Refused    *Refusal   `json:"refused,omitempty"` // what came since and was not taken
}

// States of a service's contract.
const (
	stateMissing = "missing" // the service has not told it yet
	stateNone    = "none"    // the service has no public part
	stateCurrent = "current"
	stateRefused = "refused" // a newer one was refused, the one in use is older; given by the operator: none is in use
)

// Report tells of every service, in the order of the configuration, and then of those whose contracts the operator gives.
func (b *Book) Report() []Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Status, 0, len(b.cfg.Services))
	for _, name := range b.cfg.Services {
		e := b.entries[name]
		s := Status{Service: name, State: stateMissing, Refused: e.refused}
		switch {
		case e.use != nil:
			since := e.since
			s.State, s.Version, s.ETag, s.Since, s.Operations = stateCurrent, e.use.Version, e.use.ETag, &since, len(e.use.ops)
		case e.learned:
			s.State = stateNone
		}
		if e.refused != nil {
			s.State = stateRefused
		}
		out = append(out, s)
	}
	for _, c := range b.given {
		s := Status{Service: c.Service, State: stateCurrent, Version: c.Version, ETag: c.ETag, Operations: len(c.ops)}
		if why := b.unfit[c]; why != nil {
			s.State, s.Operations, s.Refused = stateRefused, 0, why
		}
		out = append(out, s)
	}
	return out
}

// Accept puts the refused contract with this ETag into use although it breaks callers of the one before: an operator has
// looked at what it breaks. A contract that cannot be used at all cannot be accepted.
func (b *Book) Accept(service, etag string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, there := b.entries[service]
	if !there {
		return errs.New(errs.NotFound, CodeUnknownService, "there is no service of this name")
	}
	if e.pending == nil || e.refused.ETag != etag {
		return errs.New(errs.Conflict, CodeNotRefused, "no contract with this ETag is refused for what it breaks; GET /v1/ops/contracts says what is")
	}
	was := *e
	b.use(e, e.pending, service)
	b.swap(map[string]entry{service: was})
	return nil
}

// metrics of the Book; nil measures nothing.
type metrics struct {
	refused *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	if reg == nil {
		return nil
	}
	m := &metrics{refused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "gateway_contract_refused",
		Help: "1 while the contract that a service tells is refused and an older one is in use, or one that gateway.yaml gives is left out.",
	}, []string{"of"})}
	reg.MustRegister(m.refused)
	return m
}

func (m *metrics) inUse(service string, refused bool) {
	if m == nil {
		return
	}
	v := 0.0
	if refused {
		v = 1
	}
	m.refused.WithLabelValues(service).Set(v)
}
