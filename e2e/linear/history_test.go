package linear

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const units = 5

// seen is one call of a recorded history; to 0 means that it was never answered.
type seen struct {
	from, to int64
	op       Op
	id       int
	answer   Answer
}

func recorded(calls ...seen) *History {
	h := NewHistory(units)
	for i, c := range calls {
		op := porcupine.Operation{ClientId: i, Input: Call{SKU: "sku", Op: c.op, ID: c.id}, Output: c.answer, Call: c.from, Return: c.to}
		if c.to == 0 {
			op.Output, op.Return = Answer{Unknown: true}, math.MaxInt64
		}
		h.bySKU["sku"] = append(h.bySKU["sku"], op)
	}
	return h
}

func figures(available, reserved, sold, version int64) Answer {
	return Answer{Figures: Figures{available, reserved, sold, version}}
}

var done = Answer{}

func refused(code string) Answer { return Answer{Code: code} }

// Ids 2, 5, 8 ask for three units each; 0, 3, 6 for one.
func TestHistoriesThatOneCounterExplains(t *testing.T) {
	for name, h := range map[string]*History{
		"a life": recorded(
			seen{1, 2, Reserve, 2, done}, seen{3, 4, Get, 0, figures(2, 3, 0, 2)},
			seen{5, 6, Reserve, 5, Answer{Code: SoldOut, Figures: Figures{Available: 2}}},
			seen{7, 8, Confirm, 2, done}, seen{9, 10, Confirm, 2, refused(AlreadyConfirmed)},
			seen{11, 12, Reserve, 0, done}, seen{13, 14, Release, 0, done}, seen{15, 16, Confirm, 0, refused(AlreadyReleased)},
			seen{17, 18, Reserve, 0, done}, seen{19, 20, Get, 0, figures(2, 0, 3, 5)},
		),
		"at once, either order":         recorded(seen{1, 9, Reserve, 2, done}, seen{1, 9, Get, 0, figures(5, 0, 0, 1)}),
		"unanswered and never done":     recorded(seen{1, 0, Reserve, 2, done}, seen{5, 6, Get, 0, figures(5, 0, 0, 1)}),
		"unanswered and done":           recorded(seen{1, 0, Reserve, 2, done}, seen{5, 6, Get, 0, figures(2, 3, 0, 2)}),
		"unanswered and done later":     recorded(seen{1, 0, Reserve, 2, done}, seen{5, 6, Get, 0, figures(5, 0, 0, 1)}, seen{7, 8, Get, 0, figures(2, 3, 0, 2)}),
		"repeated after no answer":      recorded(seen{1, 0, Reserve, 2, done}, seen{5, 6, Reserve, 2, done}, seen{7, 8, Get, 0, figures(2, 3, 0, 2)}),
		"refused by one without answer": recorded(seen{1, 0, Reserve, 2, done}, seen{5, 6, Reserve, 5, Answer{Code: SoldOut, Figures: Figures{Available: 2}}}),
	} {
		t.Run(name, func(t *testing.T) { assert.NoError(t, h.Check(t.TempDir())) })
	}
}

// The checker has teeth: each of these is what a defect would show.
func TestHistoriesThatNoCounterExplains(t *testing.T) {
	for name, h := range map[string]*History{
		"oversold":                      recorded(seen{1, 9, Reserve, 2, done}, seen{1, 9, Reserve, 5, done}),
		"oversold beside an unanswered": recorded(seen{1, 0, Reserve, 8, done}, seen{1, 9, Reserve, 2, done}, seen{1, 9, Reserve, 5, done}),
		"a stale reading":               recorded(seen{1, 2, Reserve, 2, done}, seen{3, 4, Get, 0, figures(5, 0, 0, 1)}),
		"a stale refusal":               recorded(seen{1, 2, Reserve, 2, done}, seen{3, 4, Release, 2, done}, seen{5, 6, Reserve, 5, Answer{Code: SoldOut, Figures: Figures{Available: 2}}}),
		"a lost reservation":            recorded(seen{1, 2, Reserve, 2, done}, seen{3, 4, Confirm, 2, refused(UnknownReservation)}),
		"resolved twice":                recorded(seen{1, 2, Reserve, 2, done}, seen{3, 9, Confirm, 2, done}, seen{3, 9, Release, 2, done}),
		"counted twice":                 recorded(seen{1, 2, Reserve, 2, done}, seen{3, 4, Reserve, 2, done}, seen{5, 6, Get, 0, figures(2, 3, 0, 3)}),
		"undone": recorded(seen{1, 0, Reserve, 2, done}, seen{3, 4, Get, 0, figures(2, 3, 0, 2)},
			seen{5, 6, Get, 0, figures(5, 0, 0, 1)}),
		"undersold": recorded(seen{1, 2, Reserve, 0, Answer{Code: SoldOut}}),
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			err := h.Check(folder)
			require.ErrorContains(t, err, "no order of its")
			picture := filepath.Join(folder, "sku.html")
			require.ErrorContains(t, err, picture)
			info, err := os.Stat(picture)
			require.NoError(t, err)
			assert.Positive(t, info.Size())
		})
	}
}

func TestClientRecords(t *testing.T) {
	h := NewHistory(units)
	c := h.Client()
	unknown := func(sent bool) func() (Answer, bool) {
		return func() (Answer, bool) { return Answer{Unknown: true}, sent }
	}
	c.Do(Call{SKU: "a", Op: Get}, unknown(true))
	c.Do(Call{SKU: "a", Op: Reserve}, unknown(false))
	assert.Equal(t, Tally{}, h.Tally(), "these prove nothing")
	c.Do(Call{SKU: "a", Op: Reserve}, unknown(true))
	c.Do(Call{SKU: "b", Op: Confirm}, func() (Answer, bool) { return refused(UnknownReservation), true })
	c.Do(Call{SKU: "b", Op: Reserve}, func() (Answer, bool) { return Answer{Code: SoldOut}, true })
	assert.Equal(t, Tally{SKUs: 2, Calls: 3, Unknown: 1, SoldOut: 1, Refused: 1}, h.Tally())
	assert.NotEqual(t, h.bySKU["a"][0].ClientId, h.bySKU["b"][0].ClientId, "what is unanswered may overlap the next call")
	assert.EqualValues(t, math.MaxInt64, h.bySKU["a"][0].Return)
}
