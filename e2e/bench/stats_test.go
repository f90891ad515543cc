package bench

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSpreadAndRatio(t *testing.T) {
	nan := math.NaN()
	assert.Equal(t, Spread{}, SpreadOf([]float64{nan}))
	assert.Equal(t, Spread{N: 3, Median: 2, Min: 1, Max: 9}, SpreadOf([]float64{9, 1, 2}))
	assert.Equal(t, Spread{N: 2, Median: 1.5, Min: 1, Max: 2}, SpreadOf([]float64{2, nan, 1}))
	// A machine that is half as fast in the second round changes no ratio.
	assert.Equal(t, Spread{N: 2, Median: 0.5, Min: 0.5, Max: 0.5}, Ratio([]float64{100, 50, nan, 7}, []float64{200, 100, 100, 0}))
}

func TestJudge(t *testing.T) {
	told := func(accepted, soldOut, unknown int64) (t Tally) {
		t[Accepted], t[SoldOut], t[Unknown] = accepted, soldOut, unknown
		return t
	}
	books := func(available, reserved, sold int64) Books {
		return Books{Received: 10, Available: available, Reserved: reserved, Sold: sold}
	}
	for name, c := range map[string]struct {
		told  Tally
		books Books
		want  string // empty: they fit together
	}{
		"some":                       {told(4, 0, 0), books(6, 3, 1), ""},
		"all, and then sold out":     {told(10, 5, 0), books(0, 10, 0), ""},
		"an unknown one was kept":    {told(4, 0, 1), books(5, 5, 0), ""},
		"an unknown one was not":     {told(4, 0, 1), books(6, 4, 0), ""},
		"early acknowledgement":      {told(5, 0, 0), books(6, 4, 0), "lost: 5 were accepted, the store has 4"},
		"a promise twice":            {told(11, 0, 0), books(0, 10, 0), "oversold"},
		"below zero":                 {told(11, 0, 0), books(-1, 11, 0), "below zero"},
		"sold twice":                 {told(4, 0, 0), books(5, 5, 0), "invented"},
		"units vanish":               {told(4, 0, 0), books(5, 4, 0), "do not add up"},
		"refused without a reason":   {told(4, 1, 0), books(6, 4, 0), "told sold out"},
		"keeps nothing at all":       {told(4, 0, 0), Books{}, "received is 0"},
		"answers of another kind":    {Tally{Accepted: 4, Wrong: 1}, books(6, 4, 0), "contract"},
		"shed ones change nothing":   {Tally{Accepted: 4, Shed: 3}, books(3, 7, 0), "invented"},
		"unsent ones change nothing": {Tally{Accepted: 4, Unsent: 3}, books(3, 7, 0), "invented"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Judge(10, c.told, c.books)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestMachineTellsNoNames(t *testing.T) {
	assert.Equal(t, "6.18", majorMinor("6.18.44-somebody-v7\n"))
	assert.Equal(t, "7", majorMinor("7-rc1"))
	assert.Empty(t, majorMinor(""))
	assert.NotContains(t, Machine(), "\n")
}
