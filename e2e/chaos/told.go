package chaos

import (
	"sync"
	"time"

	"github.com/sidecart/sidecart/e2e/client"
)

// told is everything that clients remember.
type told struct {
	mu           sync.Mutex
	orders       map[string]*toldOrder // by customer: a customer of the load orders once
	reservations map[string]*toldReservation
	received     map[string]int64 // SKU → units that inventory said it has received; below 0: in doubt
	counts       Counts
	lastOrder    string   // of the Prober's
	strange      []string // refusals that nothing explains
}

// outcome is what a client knows about what it asked for.
type outcome uint8

const (
	doubt outcome = iota // no definite answer: it may have happened, or happen yet
	yes
	no // refused: it never happens
)

type toldOrder struct {
	shop      *client.Client // as its customer
	lines     []client.Line
	placed    outcome
	id        string
	paying    bool // a payment was accepted
	cancelled bool // a cancellation was accepted
	seenPaid  bool
}

type toldReservation struct {
	sku      string
	quantity int64
	reserved outcome
	resolved string // "confirm" or "release" when that was accepted
}

// Counts says what clients went through.
type Counts struct {
	Orders, Refusals, Payments, Cancellations, Reservations int
	// Repeats are calls that were made again because their outcome was unknown.
	Repeats int
	// Longest is how long it took at most until a call had a definite answer, repeats included.
	Longest time.Duration
	// Doubts are outcomes that stayed unknown until the client gave up.
	Doubts int
}

func newTold() *told {
	return &told{orders: map[string]*toldOrder{}, reservations: map[string]*toldReservation{}, received: map[string]int64{}}
}

func (t *told) with(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
}

func (t *told) snapshot() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// unheard tells whether nothing is known of a SKU.
func (t *told) unheard(sku string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, heard := t.received[sku]
	return !heard
}
