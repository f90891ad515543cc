package follow

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// noticed is what the own journal records of a happened. It is not idempotent: twice would show.
type noticed struct {
	N           int    `json:"n"`
	Aggregate   string `json:"aggregate"`
	SourceShard int    `json:"source_shard"`
}

func (noticed) EventType() string { return "own.noticed" }

// notice is our command; it carries the source shard so that the order can be checked.
type notice struct{ noticed }

// refusedEvery makes a command of some numbers fail for good.
const refusedEvery = 29

// book is the state of both journals of this test: what was recorded, in its order.
type book struct {
	entries *btree.Map[int, noticed]
	seen    *btree.Map[int, bool]
}

// scribe is the Machine of both: the source records emit commands by their number, once; the own journal notices.
type scribe struct{}

func (scribe) New() *book { return &book{new(btree.Map[int, noticed]), new(btree.Map[int, bool])} }
func (scribe) Clone(b *book) *book {
	return &book{b.entries.Copy(), b.seen.Copy()}
}

func (scribe) Decide(b *book, _ journal.At, cmd journal.Command) (any, []journal.Event, error) {
	switch c := cmd.(type) {
	case happened:
		if _, twice := b.seen.Get(c.N); twice {
			return nil, nil, nil
		}
		return nil, []journal.Event{c}, nil
	case notice:
		if c.N%refusedEvery == 0 {
			return nil, nil, errs.New(errs.Conflict, "refused", "never this one")
		}
		return nil, []journal.Event{c.noticed}, nil
	}
	return nil, nil, fmt.Errorf("unknown command %T", cmd)
}

func (scribe) Apply(b *book, _ journal.At, e journal.Event) {
	switch e := e.(type) {
	case happened:
		b.seen.Set(e.N, true)
	case noticed:
		b.entries.Set(b.entries.Len(), e)
	}
}

func (scribe) Dump(b *book, emit func(string, any) error) error {
	var err error
	b.seen.Scan(func(n int, _ bool) bool { err = emit("seen", n); return err == nil })
	b.entries.Scan(func(_ int, e noticed) bool { err = emit("noticed", e); return err == nil })
	return err
}

func (scribe) Load(b *book, kind string, record jsontext.Value) error {
	if kind == "seen" {
		var n int
		err := json.Unmarshal(record, &n)
		b.seen.Set(n, true)
		return err
	}
	var e noticed
	err := json.Unmarshal(record, &e)
	b.entries.Set(b.entries.Len(), e)
	return err
}

func (scribe) Types() journal.Types { return journal.NewTypes(happened{}, noticed{}) }
