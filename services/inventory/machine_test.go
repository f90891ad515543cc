package inventory

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/money"
)

// failer is what both a test and a property are failed through.
type failer interface {
	Errorf(format string, args ...any)
	FailNow()
}

// shard runs the Machine as the journal does: decide on a clone, apply, commit. It checks after every step what
// must hold for any state.
type shard struct {
	t     failer
	state *State
	at    journal.At
	log   []journal.Event
}

func newShard(t failer) *shard {
	return &shard{t: t, state: newState(), at: journal.At{Time: time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)}}
}

func (s *shard) do(cmd journal.Command) (any, error) {
	before := s.dump()
	next := Machine{}.Clone(s.state)
	at := journal.At{Seq: s.at.Seq + 1, Time: s.at.Time}
	answer, events, err := Machine{}.Decide(next, at, cmd)
	if err != nil {
		require.Empty(s.t, events, "a refusal with events")
	}
	for _, e := range events {
		s.log = append(s.log, e)
		Machine{}.Apply(next, at, decoded(s.t, e))
	}
	require.Equal(s.t, before, s.dump(), "the committed state was touched by %#v", cmd)
	if len(events) > 0 {
		s.at, s.state = at, next
	}
	s.check()
	return answer, err
}

// decoded is an event after its way through the store.
func decoded(t failer, e journal.Event) journal.Event {
	data, err := json.Marshal(e)
	require.NoError(t, err)
	back, err := Machine{}.Types().Decode(journal.Record{Type: e.EventType(), Data: data})
	require.NoError(t, err)
	return back
}

// dump is the state as records; their order means nothing.
func (s *shard) dump() []string {
	var records []string
	require.NoError(s.t, Machine{}.Dump(s.state, func(kind string, record any) error {
		data, err := json.Marshal(record)
		records = append(records, kind+" "+string(data))
		return err
	}))
	slices.Sort(records)
	return records
}

// check holds the accounts of the items against what stands behind them, and the indexes against the maps.
func (s *shard) check() {
	reserved := map[string]int64{}
	unfinished := 0
	for r := range s.state.allReservations {
		require.Equal(s.t, r.Status == StatusReserved, r.FinishedAt.IsZero())
		if r.Status == StatusReserved {
			reserved[r.SKU] += r.Quantity
			unfinished++
		}
		found, ok := s.state.reservation(r.SKU, r.ID)
		require.True(s.t, ok)
		require.Equal(s.t, r, found)
	}
	require.Equal(s.t, unfinished, s.state.reservations.due.tree.Len())
	require.Equal(s.t, s.state.reservations.len()-unfinished, s.state.reservations.finished.tree.Len())
	unfinished = 0
	for h := range s.state.allHolds {
		require.Equal(s.t, h.any(StatusReserved), h.FinishedAt.IsZero())
		if h.FinishedAt.IsZero() {
			unfinished++
		}
		for _, l := range h.Lines {
			if l.Status == StatusReserved {
				reserved[l.SKU] += l.Quantity
			}
		}
		found, ok := s.state.hold(h.ID)
		require.True(s.t, ok)
		require.Equal(s.t, h, found)
	}
	require.Equal(s.t, unfinished, s.state.holds.due.tree.Len())
	require.Equal(s.t, s.state.holds.len()-unfinished, s.state.holds.finished.tree.Len())
	require.Equal(s.t, s.state.restocks.Len(), s.state.finishedRestocks.Len())
	s.state.items.Scan(func(sku string, i *Item) bool {
		require.Equal(s.t, i.Received, i.Available+i.Reserved+i.Sold)
		require.GreaterOrEqual(s.t, min(i.Available, i.Reserved, i.Sold), int64(0))
		require.Equal(s.t, reserved[sku], i.Reserved, "reserved of %s", sku)
		return true
	})
}

// reload is the shard after a restart from its snapshot.
func (s *shard) reload() {
	fresh := Machine{}.New()
	require.NoError(s.t, Machine{}.Dump(s.state, func(kind string, record any) error {
		data, err := json.Marshal(record)
		if err != nil {
			return err
		}
		return Machine{}.Load(fresh, kind, jsontext.Value(data))
	}))
	before := s.dump()
	s.state = fresh
	require.Equal(s.t, before, s.dump())
	s.check()
}

func (s *shard) pass(d time.Duration) { s.at.Time = s.at.Time.Add(d) }

func (s *shard) must(cmd journal.Command) any {
	answer, err := s.do(cmd)
	require.NoError(s.t, err)
	return answer
}

func (s *shard) refused(code string, cmd journal.Command) *errs.Error {
	head := s.at.Seq
	_, err := s.do(cmd)
	require.Error(s.t, err)
	require.True(s.t, errs.HasCode(err, code), "%v is not %s", err, code)
	require.Equal(s.t, head, s.at.Seq, "a refusal was written")
	return errs.From(err)
}

// silent runs a command that must change nothing.
func (s *shard) silent(cmd journal.Command) any {
	head := s.at.Seq
	answer := s.must(cmd)
	require.Equal(s.t, head, s.at.Seq, "%#v was written", cmd)
	return answer
}

func (s *shard) stock(sku string, available, reserved, sold int64) {
	i := s.state.Item(sku)
	require.NotNil(s.t, i)
	assert.Equal(s.t, []int64{available, reserved, sold}, []int64{i.Available, i.Reserved, i.Sold}, sku)
}

func eur(amount int64) money.Money { return money.Of(amount, "EUR") }

func withItems(t testing.TB, quantities ...int64) *shard {
	s := newShard(t)
	for i, q := range quantities {
		sku := string(rune('a' + i))
		s.must(PutItem{SKU: sku, Title: "Item " + sku, Price: eur(100), Quantity: q})
	}
	return s
}

func lines(pairs ...any) []inventoryapi.HoldLine {
	var ls []inventoryapi.HoldLine
	for i := 0; i < len(pairs); i += 2 {
		ls = append(ls, inventoryapi.HoldLine{SKU: pairs[i].(string), Quantity: int64(pairs[i+1].(int))})
	}
	return ls
}

func hold(id string, ls []inventoryapi.HoldLine) HoldLines {
	return HoldLines{ID: id, Fingerprint: fmt.Sprint(ls), Lines: ls, HoldSeconds: 60}
}
