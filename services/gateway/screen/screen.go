package screen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/fault"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// maxBytes bounds the parts of a screen together; one that would go over it is missing, code too_large.
const maxBytes = 1 << 20

const (
	codeTooLarge    = "too_large"
	codeOutOfBudget = "out_of_budget"
)

// Ask has one part answered in the name of whoever asked for the screen: what the gateway does with a request of its own,
// from authorization to the terminal's mapping, uncompressed. It returns soon after ctx ends. A refusal is an error or an answer
// with a problem document. It is called from several goroutines at once.
type Ask func(ctx context.Context, operation string, u *url.URL) (*http.Response, []byte, error)

// Set is all screens. It is not changed once it is made, and safe for concurrent use.
type Set struct {
	plans map[string]*plan
	parts *prometheus.CounterVec
	log   *slog.Logger
}

// New joins the screens with the contracts. With complete all contracts are known, and an operation that is in none is a
// fault; without, a screen that needs one waits for the next New. The Set has the screens that are not at fault, and is
// usable whatever the faults. m and log may be nil.
func New(c Config, operations Operations, complete bool, m *Metrics, log *slog.Logger) (*Set, []fault.Fault) {
	if m == nil {
		m = NewMetrics(prometheus.NewRegistry())
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Set{plans: map[string]*plan{}, parts: m.parts, log: log}
	bad := c.Check()
	for _, called := range slices.Sorted(maps.Keys(c)) {
		if slices.ContainsFunc(bad, func(f fault.Fault) bool { return strings.HasPrefix(f.Place+"/", fault.At(called)+"/") }) {
			continue
		}
		p, faults := newPlan(called, c[called], operations, complete)
		bad = append(bad, faults...)
		if p != nil {
			s.plans[called] = p
		}
	}
	return s, bad
}

// Endpoint is where a screen is.
type Endpoint struct {
	Screen   string
	Template string // "/v1/screens/order/{id}"; always GET
	Roles    []string
}

// Endpoints lists the screens by name. A nil Set has none.
func (s *Set) Endpoints() []Endpoint {
	if s == nil {
		return nil
	}
	var out []Endpoint
	for _, called := range slices.Sorted(maps.Keys(s.plans)) {
		p := s.plans[called]
		out = append(out, Endpoint{called, p.template, slices.Clone(p.roles)})
	}
	return out
}

// Serve makes a screen for the values of its path's parameters and its query; h is the answer's header. It fails as the
// first required part that fails.
func (s *Set) Serve(ctx context.Context, h http.Header, called string, params map[string]string, query url.Values, ask Ask) ([]byte, error) {
	p := s.plans[called]
	if p == nil {
		return nil, errs.New(errs.NotFound, errs.CodeNotFound, "there is no such screen")
	}
	if err := p.checkQuery(query); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type came struct {
		index int
		result
	}
	ready := make(chan came, len(p.parts)) // room for all: nobody waits when the screen is given up
	for i, q := range p.parts {
		go func() { ready <- came{i, q.ask(ctx, params, query, ask)} }()
	}
	results := make([]result, len(p.parts))
	for range p.parts {
		r := <-ready
		if results[r.index] = r.result; r.err != nil && p.parts[r.index].required {
			s.parts.WithLabelValues(called, p.parts[r.index].name, "missing").Inc()
			return nil, errs.From(r.err).With("part", p.parts[r.index].name)
		}
	}
	return s.assemble(ctx, h, p, results)
}

// checkQuery refuses a parameter that the screen does not have, or has twice.
func (p *plan) checkQuery(query url.Values) error {
	for _, key := range slices.Sorted(maps.Keys(query)) {
		known := false
		for _, q := range p.query {
			known = known || q.Name == key
		}
		switch {
		case !known:
			return errs.InvalidField(key, "is no parameter of this screen")
		case len(query[key]) > 1:
			return errs.InvalidField(key, "is there twice")
		}
	}
	return nil
}

// result is what came of a part: JSON, or an error.
type result struct {
	header http.Header
	body   []byte
	err    error
}

// ask has one part answered within its budget.
func (q part) ask(ctx context.Context, params map[string]string, query url.Values, ask Ask) (r result) {
	within, cancel := context.WithTimeout(ctx, q.budget)
	defer cancel()
	defer func() { // this is a goroutine of ours, outside of what recovers for the request
		if p := recover(); p != nil {
			r = result{err: fmt.Errorf("screen: part %s: panic: %v\n%s", q.name, p, debug.Stack())}
		}
	}()
	resp, body, err := ask(within, q.operation.ID, q.url(params, query))
	switch {
	case err != nil && within.Err() != nil && ctx.Err() == nil:
		late := errs.New(errs.Unavailable, codeOutOfBudget, "a part of the screen took too long; try again shortly").Wrap(err)
		return result{err: late}
	case err != nil:
		return result{err: err}
	case resp.StatusCode >= http.StatusBadRequest:
		problem := *resp
		problem.Body = bodyOf(body)
		return result{err: httpx.ReadProblem(&problem)}
	case !isJSON(resp.Header) || !jsontext.Value(body).IsValid():
		return result{err: errors.New("screen: part " + q.name + ": the answer is not JSON")}
	}
	return result{header: resp.Header, body: body}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

func bodyOf(b []byte) readCloser { return readCloser{bytes.NewReader(b)} }

func isJSON(h http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && mediaType == "application/json"
}

// assemble writes the answer and the headers that follow from those of its parts.
func (s *Set) assemble(ctx context.Context, h http.Header, p *plan, results []result) ([]byte, error) {
	size := 64
	for _, r := range results {
		size += len(r.body) + 64
	}
	out := append(make([]byte, 0, size), `{"parts":{`...)
	var missing []byte
	total, first := 0, true
	for i, r := range results {
		q := p.parts[i]
		if total += len(r.body); total > maxBytes && r.err == nil {
			total -= len(r.body)
			r.err = errs.New(errs.Unavailable, codeTooLarge, "the screen is over its bound")
			if q.required {
				return nil, errs.From(r.err).With("part", q.name)
			}
		}
		if r.err != nil {
			e := errs.From(r.err)
			if e.Kind == errs.Internal { // the others were logged where they were made
				s.log.ErrorContext(ctx, "a part of a screen failed", slog.String("screen", p.name), slog.String("part", q.name), slog.Any("error", r.err))
			}
			s.parts.WithLabelValues(p.name, q.name, "missing").Inc()
			missing = fmt.Appendf(missing, `,{"part":%q,"code":%q}`, q.name, e.Code)
			continue
		}
		s.parts.WithLabelValues(p.name, q.name, "there").Inc()
		inherit(h, r.header)
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(fmt.Appendf(out, "%q:", q.name), bytes.TrimSpace(r.body)...)
	}
	out = append(out, `},"missing":[`...)
	if len(missing) > 0 {
		out = append(out, missing[1:]...)
	}
	h.Set("Content-Type", "application/json")
	return append(out, `]}`...), nil
}

// inherit gives the screen what a part says of who may keep it: what one depends on, all depend on.
func inherit(h, part http.Header) {
	for _, vary := range part.Values("Vary") {
		if !slices.Contains(h.Values("Vary"), vary) {
			h.Add("Vary", vary)
		}
	}
	for directive := range strings.SplitSeq(part.Get("Cache-Control"), ",") {
		if strings.EqualFold(strings.TrimSpace(directive), "no-store") {
			h.Set("Cache-Control", "no-store")
		}
	}
}

// Metrics are the counters of all sets that there are one after another.
type Metrics struct{ parts *prometheus.CounterVec }

// NewMetrics registers the counter.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{parts: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_screen_parts_total", Help: "Parts of screens by what became of them: there, or missing.",
	}, []string{"screen", "part", "outcome"})}
	reg.MustRegister(m.parts)
	return m
}
