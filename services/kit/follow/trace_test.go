package follow

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// hearing keeps the trace of each step that a Target committed.
type hearing struct {
	Target
	mu     sync.Mutex
	traces map[int]string // by the event's number
}

func (h *hearing) DoShard(ctx context.Context, shard int, cmd journal.Command) (journal.Result, error) {
	if c, ok := cmd.(journal.Followed); ok {
		h.mu.Lock()
		for _, s := range c.Steps {
			var e happened
			if json.Unmarshal(s.Event.Data, &e) == nil {
				h.traces[e.N] = s.Trace
			}
		}
		h.mu.Unlock()
	}
	return h.Target.DoShard(ctx, shard, cmd)
}

// Whether segments go in alone or together, each effect is on behalf of the caller of its own event.
func TestEffectsAreOfTheirEventsTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, target := newFakeSource(1), &hearing{Target: newFakeTarget(1), traces: map[int]string{}}
		want := map[int]string{}
		commit := func(first int) {
			var records []journal.Record
			for n := first; n < first+3; n++ {
				want[n] = fmt.Sprintf("%032x", n+1)
				data, err := json.Marshal(happened{"a", n})
				require.NoError(t, err)
				records = append(records, journal.Record{Type: happened{}.EventType(), Data: data, Trace: want[n]})
			}
			s.commitRecords(0, records)
		}
		for n := range 10 {
			commit(3 * n)
		}
		f := follower(t, s, newFakeTarget(1), nil)
		f.deps.Target = target
		defer start(f)()
		elapse(5 * time.Second)
		commit(30) // this one comes alone
		elapse(5 * time.Second)
		target.mu.Lock()
		defer target.mu.Unlock()
		require.Equal(t, want, target.traces)
	})
}
