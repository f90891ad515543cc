package journal_test

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// The domain of the tests sells numbered tickets: never more than there are, each id at most one.
type (
	buy    struct{ ID string }       // a command
	refund struct{ ID string }       // gives the ticket back
	pad    struct{ ID, Text string } // a command with an event as large as one likes
	crash  struct{ In string }       // a command that panics in decide or apply
	odd    struct{}                  // a command whose event is not registered
	bought struct {                  // an event
		ID     string `json:"id"`
		Ticket int    `json:"ticket"`
		hidden int    // does not survive being written down
	}
	refunded struct {
		ID string `json:"id"`
	}
	padded struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	}
	bomb    struct{ N int }
	unknown struct{}
)

func (bought) EventType() string   { return "test.bought" }
func (refunded) EventType() string { return "test.refunded" }
func (padded) EventType() string   { return "test.padded" }
func (bomb) EventType() string     { return "test.bomb" }
func (unknown) EventType() string  { return "test.unknown" }

var errSoldOut = errs.New(errs.Conflict, "sold_out", "no tickets are left")

// tickets is the state of a shard.
type tickets struct {
	left   int
	last   int                     // number of the last ticket
	sold   *btree.Map[string, int] // id → ticket
	texts  *btree.Map[string, string]
	hidden int
}

// box is the machine: every shard begins with this many tickets.
type box struct{ tickets int }

func (b box) New() *tickets {
	return &tickets{left: b.tickets, sold: new(btree.Map[string, int]), texts: new(btree.Map[string, string])}
}

func (box) Clone(s *tickets) *tickets {
	c := *s
	c.sold, c.texts = s.sold.Copy(), s.texts.Copy()
	return &c
}

func (box) Decide(s *tickets, _ journal.At, cmd journal.Command) (any, []journal.Event, error) {
	switch c := cmd.(type) {
	case buy:
		if n, ok := s.sold.Get(c.ID); ok {
			return n, nil, nil
		}
		if s.left == 0 {
			return nil, nil, errSoldOut
		}
		return s.last + 1, []journal.Event{bought{ID: c.ID, Ticket: s.last + 1, hidden: 7}}, nil
	case refund:
		if _, ok := s.sold.Get(c.ID); !ok {
			return 0, nil, nil
		}
		return 0, []journal.Event{refunded(c)}, nil
	case pad:
		return nil, []journal.Event{padded(c)}, nil
	case crash:
		if c.In == "decide" {
			panic("decide fell over")
		}
		return nil, []journal.Event{bomb{1}}, nil
	case odd:
		return nil, []journal.Event{unknown{}}, nil
	}
	panic(fmt.Sprintf("no such command: %T", cmd))
}

func (box) Apply(s *tickets, _ journal.At, e journal.Event) {
	switch e := e.(type) {
	case bought:
		if _, twice := s.sold.Get(e.ID); twice || s.left == 0 || e.Ticket != s.last+1 {
			panic(fmt.Sprintf("applied out of turn: %+v", e))
		}
		s.left--
		s.last++
		s.hidden += e.hidden
		s.sold.Set(e.ID, e.Ticket)
	case refunded:
		if _, ok := s.sold.Delete(e.ID); !ok {
			panic("refunded twice: " + e.ID)
		}
		s.left++
	case padded:
		s.texts.Set(e.ID, e.Text)
	case bomb:
		panic("apply fell over")
	}
}

func (box) Dump(s *tickets, emit func(string, any) error) error {
	err := emit("left", s.left)
	if err == nil {
		err = emit("last", s.last)
	}
	if err != nil {
		return err
	}
	s.sold.Scan(func(id string, n int) bool {
		err = emit("sold", bought{ID: id, Ticket: n})
		return err == nil
	})
	if err != nil {
		return err
	}
	s.texts.Scan(func(id, text string) bool {
		err = emit("text", padded{id, text})
		return err == nil
	})
	return err
}

func (box) Load(s *tickets, kind string, record jsontext.Value) error {
	switch kind {
	case "left":
		return json.Unmarshal(record, &s.left)
	case "last":
		return json.Unmarshal(record, &s.last)
	case "sold":
		var b bought
		err := json.Unmarshal(record, &b)
		s.sold.Set(b.ID, b.Ticket)
		return err
	case "text":
		var p padded
		err := json.Unmarshal(record, &p)
		s.texts.Set(p.ID, p.Text)
		return err
	}
	return fmt.Errorf("no such kind: %s", kind)
}

func (box) Types() journal.Types { return journal.NewTypes(bought{}, refunded{}, padded{}, bomb{}) }

// picture is a state in a form that can be compared.
func picture(s *tickets) string {
	text := fmt.Sprintf("left %d last %d hidden %d", s.left, s.last, s.hidden)
	s.sold.Scan(func(id string, n int) bool { text += fmt.Sprintf(" %s=%d", id, n); return true })
	s.texts.Scan(func(id, t string) bool { text += fmt.Sprintf(" %s:%d", id, len(t)); return true })
	return text
}
