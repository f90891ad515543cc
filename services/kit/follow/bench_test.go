package follow

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// BenchmarkCatchUp pulls a long tail of segments of 16 events into a real journal of two shards on a store in memory.
func BenchmarkCatchUp(b *testing.B) {
	const segments, events = 2000, 16
	s := newFakeSource(1)
	for i := range segments {
		batch := make([]happened, events)
		for n := range batch {
			batch[n] = happened{fmt.Sprint(n), refusedEvery*(i*events+n) + 1}
		}
		s.commit(0, batch...)
	}
	for b.Loop() {
		j, err := journal.New(journal.Config{Service: "own", Shards: 2}, scribe{}, journal.Deps{
			State: journaltest.NewStore().Client("one", journaltest.Faults{}), Writer: "one"})
		require.NoError(b, err)
		f := follower(b, s, j, func(c *Config) {
			c.React = React(On(func(at journal.At, h happened) []Routed {
				return []Routed{{h.Aggregate, notice{noticed{h.N, h.Aggregate, at.Shard}}}}
			}))
		})
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		all.Go(func() { _ = j.Run(ctx) })
		all.Go(func() { _ = f.Run(ctx) })
		require.Eventually(b, func() bool {
			at := f.Status()
			return len(at) == 2 && at[0].Offset == segments && at[1].Offset == segments
		}, time.Minute, time.Millisecond)
		cancel()
		all.Wait()
	}
	b.ReportMetric(float64(segments*events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(segments)*float64(b.N)/b.Elapsed().Seconds(), "segments/s")
}
