package inventory

import (
	"fmt"
	"testing"
	"time"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// BenchmarkReserve is the domain's share of one reservation: clone, decide and apply, among many others.
func BenchmarkReserve(b *testing.B) {
	s := newState()
	at := journal.At{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	step := func(cmd journal.Command) {
		at.Seq++
		next := s.clone()
		_, events, err := decide(next, at, cmd)
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range events {
			apply(next, at, e)
		}
		s = next
	}
	step(PutItem{SKU: "a", Title: "A", Price: eur(1), Quantity: maxUnits})
	for i := range 100_000 {
		step(Reserve{SKU: "a", ID: fmt.Sprint("before-", i), Quantity: 1, HoldSeconds: 60})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		step(Reserve{SKU: "a", ID: fmt.Sprint(i), Quantity: 1, HoldSeconds: 60})
	}
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
