package order

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// start is when the tests' journals begin.
var start = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

const payWithin = 15 * time.Minute

// ledger is a shard as the journal would run it: each command is decided and applied in a segment of its own, the
// events go through JSON, and commands about archived orders get their views.
type ledger struct {
	t     require.TestingT
	s     *state
	at    journal.At
	views map[string]orderapi.Order
	// events are all that ever happened, in order.
	events []journal.Event
	looks  int
}

func newLedger(t require.TestingT) *ledger {
	return &ledger{t: t, s: newState(), at: journal.At{Time: start}, views: make(map[string]orderapi.Order)}
}

// do runs cmd and gives its answer and its events.
func (l *ledger) do(cmd journal.Command) (any, []journal.Event, error) {
	at := l.at
	at.Seq++
	answer, events, err := machine{}.Decide(l.s, at, cmd)
	if errors.Is(err, archive.ErrLookAgain) {
		l.looks++
		c := cmd.(archive.Command[orderapi.Order])
		found := archive.Look[orderapi.Order]{Generation: l.s.archived.Generation()}
		if doc, ok := l.views[c.AggregateID()]; ok {
			found.View = &archive.View[orderapi.Order]{ID: doc.ID, Seq: doc.Seq, Doc: doc}
		}
		answer, events, err = machine{}.Decide(l.s, at, c.WithLook(found))
	}
	if err != nil {
		require.Empty(l.t, events)
		return nil, nil, err
	}
	if len(events) == 0 {
		return answer, nil, nil
	}
	l.at = at
	next := machine{}.Clone(l.s)
	for i, e := range events {
		events[i] = recoded(l.t, e)
		machine{}.Apply(next, at, events[i])
	}
	l.s = next
	l.events = append(l.events, events...)
	return answer, events, nil
}

// must runs a command that is not refused.
func (l *ledger) must(cmd journal.Command) []journal.Event {
	_, events, err := l.do(cmd)
	require.NoError(l.t, err)
	return events
}

// pass lets time go by.
func (l *ledger) pass(d time.Duration) { l.at.Time = l.at.Time.Add(d) }

// archiveAll writes the views of what is settled and lets it leave memory.
func (l *ledger) archiveAll() {
	var refs []archive.Ref
	for _, o := range l.s.settledBefore(l.at.Time.Add(time.Nanosecond), 100) {
		l.views[o.ID] = *o
		refs = append(refs, archive.Ref{ID: o.ID, Seq: o.Seq})
	}
	l.must(archiveOrders{refs})
}

// current is the order, wherever it is.
func (l *ledger) current(id string) orderapi.Order {
	if o := l.s.order(id); o != nil {
		return *o
	}
	o, ok := l.views[id]
	require.True(l.t, ok, "order %s is nowhere", id)
	return o
}

// recoded is an event as it comes out of a segment.
func recoded(t require.TestingT, e journal.Event) journal.Event {
	data, err := json.Marshal(e)
	require.NoError(t, err)
	back, err := orderapi.Types().Decode(journal.Record{Type: e.EventType(), Data: data})
	require.NoError(t, err)
	return back
}

// dump is everything in s, in a form that can be compared.
func dump(t require.TestingT, s *state) map[string][]string {
	records := make(map[string][]string)
	require.NoError(t, machine{}.Dump(s, func(kind string, record any) error {
		text, err := json.Marshal(record, json.Deterministic(true))
		require.Less(t, len(text), 64<<10, kind)
		records[kind] = append(records[kind], string(text))
		return err
	}))
	for _, ofKind := range records {
		slices.Sort(ofKind) // they come in no order
	}
	return records
}

// reloaded is s after a snapshot and a start.
func reloaded(t require.TestingT, s *state) *state {
	back := newState()
	require.NoError(t, machine{}.Dump(s, func(kind string, record any) error {
		text, err := json.Marshal(record)
		require.NoError(t, err)
		return machine{}.Load(back, kind, jsontext.Value(text))
	}))
	return back
}

// aPlacement is a placeOrder whose hold was made just now.
func aPlacement(id string, now time.Time) placeOrder {
	return placeOrder{
		OrderID: id, Fingerprint: "f", Customer: "ada", Contact: orderapi.Contact{Email: "ada@example.com"},
		Lines: []orderapi.Line{{SKU: "mug", Title: "Mug", Quantity: 2, UnitPrice: money.Of(1250, "EUR")}},
		Total: money.Of(2500, "EUR"), PayWithin: payWithin, PayBefore: now.Add(payWithin),
	}
}

func aCharge(id string, attempt int, charge string) recordCharge {
	return recordCharge{OrderID: id, Attempt: attempt, ChargeID: charge, Amount: money.Of(2500, "EUR")}
}

// count is how many of the events are of type E.
func count[E journal.Event](events []journal.Event) int {
	n := 0
	for _, e := range events {
		if _, is := e.(E); is {
			n++
		}
	}
	return n
}

func TestTheStateSurvivesASnapshot(t *testing.T) {
	l := newLedger(t)
	l.must(aPlacement("a", start))
	l.must(aPlacement("b", start))
	l.must(requestPayment{OrderID: "b", By: ada, Method: "card"})
	l.must(aPlacement("c", start))
	l.must(cancelOrder{OrderID: "c", By: ada})
	l.archiveAll()
	back := reloaded(t, l.s)
	require.Equal(t, dump(t, l.s), dump(t, back))
	require.Equal(t, l.s.due.Items(), back.due.Items())
	require.Equal(t, l.s.settled.Items(), back.settled.Items())
	require.Equal(t, l.s.owners.Items(), back.owners.Items())
	require.True(t, back.archived.Maybe("c"))
}
