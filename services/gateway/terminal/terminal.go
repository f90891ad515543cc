package terminal

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/fault"
)

// Plain is the X-Client of callers who want every answer as the service gives it. It has no rules.
const Plain = "plain"

// Header is the request's header that names the terminal.
const Header = "X-Client"

var errTrailing = errors.New("terminal: there is something behind the JSON document")

// Answers gives the schemas that an operation's JSON answers of success have; known tells whether there is such an
// operation. An operation without a schema can have no rules.
type Answers func(operation string) (schemas []*openapi3.Schema, known bool)

// Mapper maps answers. Its methods are safe for concurrent use; a nil one leaves all answers as they are.
type Mapper struct {
	terminals map[string]map[string]*node // by terminal and operation
	ruled     map[string]bool             // operations that some terminal has rules for
	bytes     map[string]sides
	failed    prometheus.Counter
}

type sides struct{ before, after prometheus.Counter }

// New compiles the rules. With complete all contracts are known, and an operation that is in none is a fault; without,
// its rules wait for the next New. The Mapper does what is not at fault and is usable whatever the faults. metrics may be
// nil.
func New(c Config, answers Answers, complete bool, m *Metrics) (*Mapper, []fault.Fault) {
	if m == nil {
		m = NewMetrics(prometheus.NewRegistry())
	}
	out := &Mapper{terminals: map[string]map[string]*node{}, ruled: map[string]bool{}, bytes: map[string]sides{}, failed: m.failed}
	bad := c.checkNames()
	for _, terminal := range slices.Sorted(maps.Keys(c)) {
		rules := map[string]*node{}
		for _, operation := range slices.Sorted(maps.Keys(c[terminal])) {
			schemas, known := answers(operation)
			n, faults := compile(c[terminal][operation], schemas)
			switch {
			case known && len(schemas) == 0:
				faults = []fault.Fault{{Message: "the operation answers with no JSON that its contract describes"}}
			case known:
				rules[operation], out.ruled[operation] = n, true
			case complete:
				faults = []fault.Fault{{Message: fmt.Sprintf("no contract has the operation %q", operation)}}
			}
			bad = append(bad, under(faults, terminal, operation)...)
		}
		out.terminals[terminal] = rules
		out.bytes[terminal] = sides{m.bytes.WithLabelValues(terminal, "before"), m.bytes.WithLabelValues(terminal, "after")}
	}
	return out, bad
}

// Of is the terminal that a request's X-Client stands for.
func (m *Mapper) Of(client string) string {
	if client == Plain {
		return Plain
	}
	if m == nil {
		return Default
	}
	if _, ok := m.terminals[client]; !ok {
		return Default
	}
	return client
}

// Map gives what becomes of an operation's answer for the terminal that client (the request's X-Client) names; h, the
// answer's header, is changed accordingly. An ETag goes when the answer is changed: it is of the service's own bytes, and stays the
// same when rules change. body is not changed. An answer that cannot be mapped, because it is not JSON, goes out as it is
// and is counted.
func (m *Mapper) Map(h http.Header, status int, client, operation string, body []byte) []byte {
	if m == nil || !m.ruled[operation] || status < http.StatusOK || status >= http.StatusMultipleChoices || !isJSON(h.Get("Content-Type")) {
		return body
	}
	h.Add("Vary", Header)
	terminal := m.Of(client)
	rules := m.terminals[terminal][operation]
	if rules == nil || len(body) == 0 {
		return body
	}
	mapped, err := rules.apply(body)
	if err != nil {
		m.failed.Inc()
		return body
	}
	delete(h, "Etag")
	count := m.bytes[terminal]
	count.before.Add(float64(len(body)))
	count.after.Add(float64(len(mapped)))
	return mapped
}

func isJSON(contentType string) bool {
	return contentType == "application/json" || contentType == "application/json; charset=utf-8" || contentType == "application/json; charset=UTF-8"
}

// Metrics are the counters of all mappers that there are one after another.
type Metrics struct {
	bytes  *prometheus.CounterVec
	failed prometheus.Counter
}

// NewMetrics registers the counters.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_terminal_bytes_total", Help: "Bytes of the answers that were mapped for a terminal, before and after, uncompressed.",
		}, []string{"terminal", "side"}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_terminal_failures_total", Help: "Answers that should have been mapped and were not JSON; they went out as they were.",
		}),
	}
	reg.MustRegister(m.bytes, m.failed)
	return m
}
