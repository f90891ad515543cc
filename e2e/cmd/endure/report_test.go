package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlagsAreChecked(t *testing.T) {
	c, err := parse(nil)
	require.NoError(t, err)
	assert.Equal(t, "one", c.placement)
	for _, args := range [][]string{
		{"--minutes", "0"}, {"--placement", "both"}, {"--customers", "0"}, {"--products", "1"}, {"--every", "1ms"}, {"more"},
	} {
		_, err := parse(args)
		assert.Error(t, err, "%v", args)
	}
}

func TestSlopeIsOfTheSamplesAfterATime(t *testing.T) {
	e := &enduring{}
	for i := range 20 { // grows by 5 bytes an order, then not at all
		orders := 100 * i
		e.samples = append(e.samples, sample{
			at: time.Duration(i) * time.Minute, orders: orders, pss: map[string]int64{"a": int64(5 * min(orders, 1000))},
		})
	}
	of := func(s sample) float64 { return float64(s.pss["a"]) }
	assert.InDelta(t, 0, e.slope(10*time.Minute, of), 1e-9)
	assert.Greater(t, e.slope(0, of), 1.0)
	e.samples = e.samples[:10]
	assert.InDelta(t, 5, e.slope(0, of), 1e-9)
	assert.True(t, math.IsNaN(e.slope(time.Hour, of)), "of no samples there is none")
}

func TestPercentile(t *testing.T) {
	assert.Zero(t, percentile(nil, 99))
	assert.InDelta(t, 99, percentile([]float64{1, 50, 99, 100}, 99), 1)
}
