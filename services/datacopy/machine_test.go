package datacopy

import (
	"cmp"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// The domain of the tests keeps counters that belong to owners. One that rests leaves memory for a view, and comes back
// when it is counted again: all that a copy has to bring along.
type counter struct {
	ID    string `json:"id"`
	Owner string `json:"owner"`
	N     int    `json:"n"`
	Seq   uint64 `json:"seq"`
	At    int64  `json:"at"` // of its last change, Unix nanoseconds
	First int64  `json:"first"`
}

type (
	count struct { // a command: a repeat with the same Want is answered without an event
		ID, Owner string
		Want      int
		Look      *archive.Look[counter]
	}
	file    struct{ Refs []archive.Ref }
	counted struct {
		ID    string `json:"id"`
		Owner string `json:"owner"`
	}
	filed struct {
		IDs []string `json:"ids"`
	}
	fetched struct {
		Counter counter `json:"counter"`
	}
)

func (counted) EventType() string { return "shop.counted" }
func (filed) EventType() string   { return "shop.filed" }
func (fetched) EventType() string { return "shop.fetched" }

func (c count) AggregateID() string                              { return c.ID }
func (c count) WithLook(l archive.Look[counter]) journal.Command { c.Look = &l; return c }

type counters struct {
	live  *btree.Map[string, counter]
	index *archive.Index
}

type machine struct{}

func (machine) New() *counters {
	return &counters{live: new(btree.Map[string, counter]), index: archive.NewIndex()}
}
func (machine) Clone(s *counters) *counters {
	return &counters{live: s.live.Copy(), index: s.index.Clone()}
}
func (machine) Types() journal.Types { return journal.NewTypes(counted{}, filed{}, fetched{}) }

func (machine) Decide(s *counters, _ journal.At, cmd journal.Command) (any, []journal.Event, error) {
	switch c := cmd.(type) {
	case count:
		have, live := s.live.Get(c.ID)
		var events []journal.Event
		if !live {
			view, err := archive.Find(s.index, c.ID, c.Look)
			if err != nil {
				return nil, nil, err
			}
			if view != nil {
				have = view.Doc
				events = append(events, fetched{have})
			}
		}
		if have.N >= c.Want {
			return have.N, nil, nil
		}
		if have.N+1 != c.Want {
			return nil, nil, errs.Newf(errs.Conflict, "lost", "%s stands at %d, asked for %d", c.ID, have.N, c.Want)
		}
		return c.Want, append(events, counted{c.ID, c.Owner}), nil
	case file:
		var ids []string
		for _, r := range c.Refs {
			if have, live := s.live.Get(r.ID); live && have.Seq <= r.Seq {
				ids = append(ids, r.ID)
			}
		}
		if len(ids) == 0 {
			return nil, nil, nil
		}
		return nil, []journal.Event{filed{ids}}, nil
	}
	panic("no such command")
}

func (machine) Apply(s *counters, at journal.At, e journal.Event) {
	switch e := e.(type) {
	case counted:
		c, _ := s.live.Get(e.ID)
		c.ID, c.Owner, c.N, c.Seq, c.At = e.ID, e.Owner, c.N+1, at.Seq, at.Time.UnixNano()
		c.First = cmp.Or(c.First, c.At)
		s.live.Set(c.ID, c)
	case filed:
		for _, id := range e.IDs {
			s.live.Delete(id)
		}
		s.index.Add(e.IDs)
	case fetched:
		s.live.Set(e.Counter.ID, e.Counter)
	}
}

func (machine) Dump(s *counters, emit func(string, any) error) error {
	var err error
	s.live.Scan(func(_ string, c counter) bool { err = emit("counter", c); return err == nil })
	if err != nil {
		return err
	}
	return s.index.Dump(emit)
}

func (machine) Load(s *counters, kind string, record jsontext.Value) error {
	if kind == "counter" {
		var c counter
		err := json.Unmarshal(record, &c)
		s.live.Set(c.ID, c)
		return err
	}
	_, err := s.index.Load(kind, record)
	return err
}

func layout() *archive.Layout {
	return &archive.Layout{
		Service: "shop", Kind: "counter", Lists: "owner",
		Archived: archive.Naming(func(e filed) []string { return e.IDs }),
		Owner: func(doc jsontext.Value) (string, error) {
			var c counter
			err := json.Unmarshal(doc, &c)
			return c.Owner, err
		},
	}
}
