package inventory

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// BenchmarkReservePath is all that one reservation costs this process but HTTP: queue, decide, apply, encode, commit,
// and answer, for 256 callers at once, among reservations that are open already. The store is a map that takes a
// millisecond, as real ones do, so that batches grow as in use; what counts is therefore cpu-ns/op and not ns/op.
func BenchmarkReservePath(b *testing.B) {
	for _, open := range []int{0, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			j := startJournal(b)
			reserveAll(b, j, open)
			b.Run("reserve", func(b *testing.B) {
				before := j.Heads()[0]
				b.ReportAllocs()
				b.ResetTimer()
				cpu := cpuTime(b)
				reserveAll(b, j, b.N)
				cpu = cpuTime(b) - cpu
				b.StopTimer()
				b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N), "cpu-ns/op")
				b.ReportMetric(float64(b.N)/float64(j.Heads()[0]-before), "reservations/segment")
			})
		})
	}
}

// startJournal gives a journal of one shard over a store in memory with one SKU of plenty of units.
func startJournal(b *testing.B) *journal.Journal[*State] {
	j, err := journal.New(journal.Config{Service: Name, Shards: 1, SnapshotEverySegments: 1 << 40}, Machine{},
		journal.Deps{State: slowState{journaltest.NewStore().Client("w", journaltest.Faults{})}, Writer: "w"})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		require.NoError(b, <-done)
	})
	<-j.Loaded()
	_, err = j.Do(b.Context(), "a", PutItem{SKU: "a", Title: "A", Price: eur(1), Quantity: maxUnits})
	require.NoError(b, err)
	return j
}

// reserveAll makes n reservations of one unit with ids as clients make them.
func reserveAll(b *testing.B, j *journal.Journal[*State], n int) {
	var next atomic.Int64
	var callers sync.WaitGroup
	for range 256 {
		callers.Go(func() {
			for next.Add(1) <= int64(n) {
				cmd := Reserve{SKU: "a", ID: uuid.NewString(), Quantity: 1, HoldSeconds: 3600}
				if _, err := j.Do(b.Context(), "a", cmd); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
}

// slowState takes a millisecond for what a store makes durable.
type slowState struct{ sidecar.State }

func (s slowState) Create(ctx context.Context, key string, value []byte) error {
	<-time.After(time.Millisecond)
	return s.State.Create(ctx, key, value)
}

// cpuTime is what this process has used of the processor until now.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkSoldOut is a refusal: it must stay cheap when thousands ask for the last unit.
func BenchmarkSoldOut(b *testing.B) {
	s := newState()
	at := journal.At{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	apply(s, at, inventoryapi.ItemCreated{SKU: "a", Title: "A", Price: eur(1)})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := decide(s, at, HoldLines{ID: "o", Lines: lines("a", 1), HoldSeconds: 60}); err == nil {
			b.Fatal("not refused")
		}
	}
}

// BenchmarkReserve is deciding and applying a reservation among 200,000 that are open, a hundred to a segment: what it takes of
// memory is what the state costs, without the journal around it.
func BenchmarkReserve(b *testing.B) {
	for _, kind := range idKinds {
		b.Run(kind, func(b *testing.B) {
			s := withOpen(b, kind)
			b.ReportAllocs()
			for i := openReservations; b.Loop(); i++ {
				s = reserveNext(b, s, kind, i)
			}
		})
	}
}

// BenchmarkCollection is one collection of garbage among reservations that are open, whose ids are UUIDs or other texts.
// Requests that come while it runs wait for it.
func BenchmarkCollection(b *testing.B) {
	for _, kind := range idKinds {
		b.Run(kind, func(b *testing.B) {
			s := withOpen(b, kind)
			runtime.GC()
			cpu := cpuTime(b)
			for b.Loop() {
				runtime.GC()
			}
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N)/1e6, "cpu-ms/op")
			b.ReportMetric(float64(heapBytes())/openReservations, "B/reservation")
			runtime.KeepAlive(s)
		})
	}
}

const openReservations = 200_000

var idKinds = []string{"uuid", "text"}

// withOpen is a state with openReservations.
func withOpen(b *testing.B, idKind string) *State {
	s := newState()
	apply(s, journal.At{Time: memoryAt}, inventoryapi.ItemCreated{SKU: "mug", Title: "Mug", Price: eur(1), Quantity: maxUnits})
	for i := range openReservations {
		s = reserveNext(b, s, idKind, i)
	}
	return s
}

// reserveNext makes the i-th reservation; a hundred make a segment, with a millisecond and a clone of its own.
func reserveNext(b *testing.B, s *State, idKind string, i int) *State {
	var id string
	switch idKind {
	case "uuid":
		id = fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(i)*0x9E3779B1, i)
	case "text":
		id = fmt.Sprintf("customer-of-the-sale-%012d", i)
	}
	if i%100 == 0 {
		s = s.clone()
	}
	at := journal.At{Time: memoryAt.Add(time.Duration(i/100) * time.Millisecond)}
	_, events, err := decide(s, at, Reserve{SKU: "mug", ID: id, Quantity: 1, HoldSeconds: 900})
	require.NoError(b, err)
	apply(s, at, events[0])
	return s
}
