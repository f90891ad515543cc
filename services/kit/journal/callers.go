package journal

import (
	"context"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// callers knows whether the events of a batch were caused by callers of one trace or of several. What the journal notes for itself is
// on nobody's behalf and does not count.
type callers struct {
	trace string // At.Trace of the first
	any   bool
	mixed bool
}

// note hears of events on behalf of a caller of that trace, which may be "".
func (c *callers) note(trace string) {
	c.mixed = c.mixed || c.any && trace != c.trace
	if !c.any {
		c.any, c.trace = true, trace
	}
}

// OneOf is a Config.TraceEvents for the types of the sample events.
func OneOf(samples ...Event) func(eventType string) bool {
	types := NewTypes(samples...)
	return func(eventType string) bool { _, is := types[eventType]; return is }
}

// share gives the trace of a segment as a traceparent: that of all callers, if it is one. Then no record needs its own; "" says that
// each has to speak for itself.
func (c *callers) share(records []Record) string {
	if c.mixed || c.trace == "" {
		return ""
	}
	for i := range records {
		records[i].Trace = ""
	}
	return httpx.TraceParent(httpx.ContextWithTraceParent(context.Background(), c.trace))
}
