package overload

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestABucketNeverGivesMoreThanItsRate: whatever the instants, no span of time sees more than burst + rate × span tokens.
func TestABucketNeverGivesMoreThanItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate{PerSecond: rapid.Float64Range(0.5, 5000).Draw(t, "per second"), Burst: rapid.IntRange(1, 50).Draw(t, "burst")}
		p := rate.pace()
		var full, now int64
		var given []int64
		for _, step := range rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 1, 200).Draw(t, "steps") {
			now += step / int64(rapid.SampledFrom([]int{1, 10, 1000}).Draw(t, "part"))
			next, wait := p.take(full, now)
			if wait == 0 {
				given = append(given, now)
			} else {
				_, later := p.take(full, now+wait)
				require.Zero(t, later, "after the wait there is a token")
				require.Equal(t, full, next, "a refusal takes nothing")
			}
			full = next
		}
		for i := range given {
			for j := i; j < len(given); j++ {
				most := float64(rate.Burst) + float64(given[j]-given[i])/float64(p.interval) + 1e-6
				require.LessOrEqual(t, float64(j-i+1), math.Ceil(most))
			}
		}
	})
}

func TestALowerRateIsNotHeldAgainstAnOldBucket(t *testing.T) {
	slow, fast := Rate{PerSecond: 0.1, Burst: 1}.pace(), Rate{PerSecond: 10, Burst: 1}.pace()
	full, wait := slow.take(0, 0)
	require.Zero(t, wait)
	_, wait = fast.take(full, 0)
	assert.LessOrEqual(t, wait, int64(100*time.Millisecond), "not the ten seconds of the former rate")
}

// TestAFloodOfClientsTakesNoMoreMemory: a hundred times as many clients as are remembered.
func TestAFloodOfClientsTakesNoMoreMemory(t *testing.T) {
	now := time.Unix(1, 0)
	g, err := New(Config{MaxClients: 1024, Client: Rate{PerSecond: 0.01, Burst: 2}}, Deps{Now: func() time.Time { return now }})
	require.NoError(t, err)
	a := netip.MustParseAddr("10.0.0.0")
	for range 100 * 1024 {
		a = a.Next()
		require.NoError(t, g.Allow(g.ByAddress(a), "", Route{}, Normal, map[string][]string{}), "a stranger is let in however many there are")
	}
	assert.LessOrEqual(t, g.buckets.count(), 1024)
	c := g.ByAddress(a)
	require.NoError(t, g.Allow(c, "", Route{}, Normal, map[string][]string{}))
	require.Error(t, g.Allow(c, "", Route{}, Normal, map[string][]string{}), "who is remembered is held to the rate")
}
