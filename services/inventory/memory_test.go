package inventory

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// TestRowsAreSmall bounds what a shard keeps in memory for each reservation and hold: a flash sale leaves a million open,
// and a day of finished ones is remembered.
func TestRowsAreSmall(t *testing.T) {
	const n = 50_000
	reserve := func(id string) journal.Event {
		return inventoryapi.Reserved{SKU: "mug", ID: id, Quantity: 1, HoldSeconds: 900, ExpiresAt: memoryAt.Add(15 * time.Minute)}
	}
	hold := func(id string) journal.Event {
		return inventoryapi.Held{ID: id, Fingerprint: fingerprint(lines("mug", 1)), ExpiresAt: memoryAt.Add(15 * time.Minute),
			Lines: []inventoryapi.HeldLine{{SKU: "mug", Title: "Blue mug", Quantity: 1, UnitPrice: eur(1250)}}}
	}
	for _, c := range []struct {
		what   string
		events []func(id string) journal.Event
		most   int // bytes; some a tenth more than seen, because how full leaves are depends on n
	}{
		{"open reservation", []func(string) journal.Event{reserve}, 175},
		{"finished reservation", []func(string) journal.Event{reserve, func(id string) journal.Event {
			return inventoryapi.Confirmed{SKU: "mug", ID: id, Quantity: 1}
		}}, 175},
		{"open hold", []func(string) journal.Event{hold}, 260},
		{"finished hold", []func(string) journal.Event{hold, func(id string) journal.Event {
			return inventoryapi.HoldConfirmed{OrderID: id, SKU: "mug", Quantity: 1, FromReserved: 1}
		}}, 260},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newState()
			apply(s, journal.At{Time: memoryAt}, inventoryapi.ItemCreated{SKU: "mug", Title: "Blue mug", Price: eur(1250), Quantity: maxUnits})
			before := heapBytes()
			for i := range n {
				id := uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)).String()
				if i%100 == 0 {
					s = s.clone() // as every segment does
				}
				for _, event := range c.events {
					apply(s, journal.At{Time: memoryAt.Add(time.Duration(i/100) * time.Millisecond)}, decoded(t, event(id)))
				}
			}
			each := int(heapBytes()-before) / n
			t.Logf("%d bytes for each %s", each, c.what)
			assert.LessOrEqual(t, each, c.most)
			runtime.KeepAlive(s)
		})
	}
}

var memoryAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
