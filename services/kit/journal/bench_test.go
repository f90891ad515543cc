package journal_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// BenchmarkCommit is the cost of the commit path itself: the store is a map.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			store := journaltest.NewStore()
			r, err := launch(store, options{config: journal.Config{SnapshotEverySegments: 1 << 40}})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = r.stop() }()
			<-r.Loaded()
			ids := make([]string, b.N)
			for i := range ids {
				ids[i] = uuid.NewString()
			}
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if _, err := r.buy(b.Context(), ids[n-1]); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/float64(r.Heads()[0]), "commands/segment")
		})
	}
}

// TestReadersOfOldCopies shows, under the race detector, what doc.go promises of tidwall/btree: readers of a
// committed map need no lock while its copies are copied and written.
func TestReadersOfOldCopies(t *testing.T) {
	var committed atomic.Pointer[btree.Map[int, int]]
	committed.Store(new(btree.Map[int, int]))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				m := committed.Load()
				n := 0
				m.Scan(func(k, v int) bool {
					if k != v {
						t.Errorf("%d is %d", k, v)
					}
					n++
					return true
				})
				if n != m.Len() {
					t.Errorf("scanned %d of %d", n, m.Len())
				}
				m.Get(n / 2)
				for it := m.Iter(); it.Next(); {
					n--
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 3000 {
		m := committed.Load().Copy()
		m.Set(i, i)
		m.Delete(i - 500)
		if i%3 != 0 { // one in three is dropped, as a lost trial is
			committed.Store(m)
		}
	}
	close(done)
	readers.Wait()
}
