package journal_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// sale is a plan for several replicas that sell the same tickets over a store with faults.
type sale struct {
	replicas, buyers, tickets int
	faults                    journaltest.Faults
	config                    journal.Config
	killAt                    []time.Duration // of the replica with the same index; 0: never
	patience                  time.Duration   // of a buyer for one try
	every                     time.Duration   // between buyers
	refunds                   bool            // every third buyer gives the ticket back
	pauses                    []pause
	moves                     []move // one after the other
}

// pause is a time in which a replica stands still and then goes on, not knowing.
type pause struct {
	replica   int
	at, until time.Duration
}

func drawSale(t *rapid.T) sale {
	share := func(name string, most float64) float64 { return rapid.Float64Range(0, most).Draw(t, name) }
	s := sale{
		replicas: rapid.IntRange(1, 3).Draw(t, "replicas"),
		buyers:   rapid.IntRange(1, 40).Draw(t, "buyers"),
		tickets:  rapid.IntRange(1, 40).Draw(t, "tickets"),
		refunds:  rapid.Bool().Draw(t, "refunds"),
		patience: time.Duration(rapid.IntRange(20, 8000).Draw(t, "patience_ms")) * time.Millisecond,
		faults: journaltest.Faults{
			Seed: rapid.Uint64().Draw(t, "seed"), FailBefore: share("before", .2), FailAfter: share("after", .2),
			PlainConflict: share("plain", .2), Delay: share("delay", .2), StallLost: share("lost", .05), StallLate: share("late", .1),
			DelayUpTo: time.Duration(rapid.IntRange(1, 3000).Draw(t, "delay_ms")) * time.Millisecond,
		},
		config: journal.Config{
			MaxBatchCommands:      rapid.IntRange(1, 20).Draw(t, "batch"),
			SnapshotEverySegments: rapid.Uint64Range(1, 10).Draw(t, "snapshot_every"),
			CommitWithin:          time.Duration(rapid.IntRange(50, 5000).Draw(t, "within_ms")) * time.Millisecond,
		},
	}
	s.every = 20 * time.Millisecond
	for range s.replicas {
		s.killAt = append(s.killAt, time.Duration(rapid.IntRange(0, 4000).Draw(t, "kill_ms"))*time.Millisecond)
	}
	return s
}

// drawLongSale is a sale that outlasts the idempotency window many times, with replicas that sleep through it.
// Writes do not land later than the window allows, except those of a paused process.
func drawLongSale(t *rapid.T) sale {
	s := drawSale(t)
	s.every = time.Duration(rapid.IntRange(1, 3000).Draw(t, "every_ms")) * time.Millisecond
	s.faults.DelayUpTo = 50 * time.Millisecond
	s.config.CommitWithin = 300 * time.Millisecond
	s.config.StaleAfter = 700 * time.Millisecond
	s.config.TrimAfter = 2 * time.Second
	s.config.TrimEvery = 300 * time.Millisecond
	s.config.SnapshotEverySegments = 1
	s.config.PollEvery = time.Duration(rapid.IntRange(10, 20_000).Draw(t, "poll_ms")) * time.Millisecond
	for range rapid.IntRange(0, 6).Draw(t, "pauses") {
		at := time.Duration(rapid.IntRange(0, 20_000).Draw(t, "pause_at_ms")) * time.Millisecond
		s.pauses = append(s.pauses, pause{
			replica: rapid.IntRange(0, s.replicas-1).Draw(t, "pause_who"),
			at:      at, until: at + time.Duration(rapid.IntRange(1, 30_000).Draw(t, "pause_ms"))*time.Millisecond,
		})
	}
	return s
}

// market runs the replicas of a sale; a killed one is started again under a new name.
type market struct {
	sale  sale
	store *journaltest.Store
	mu    sync.Mutex
	live  []*replica
	lives int
	err   error
}

func (m *market) launch(i int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lives++
	r, err := launch(m.store, options{name: fmt.Sprintf("w%d", m.lives), tickets: m.sale.tickets, config: m.sale.config, faults: m.sale.faults})
	if err == nil {
		m.live[i] = r
	}
	return err
}

func (m *market) replica(i int) *replica {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live[i]
}

func (m *market) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = errors.Join(m.err, err)
}

// trade is what one buyer was told for good.
type trade struct {
	ticket   int
	refused  bool
	refunded bool
}

// buyOne buys, and perhaps gives back.
func (m *market) buyOne(buyer int) trade {
	var tr trade
	id := fmt.Sprintf("b%d", buyer)
	answer, err := m.insist(buyer, buy{id})
	switch {
	case errs.HasCode(err, "sold_out"):
		tr.refused = true
	case err != nil:
		m.fail(err)
	default:
		tr.ticket = answer
		if m.sale.refunds && buyer%3 == 0 {
			tr.refunded = true
			if _, err := m.insist(buyer, refund{id}); err != nil {
				m.fail(err)
			}
		}
	}
	return tr
}

// insist repeats a command until the answer is definite, each time at the next replica.
func (m *market) insist(buyer int, cmd journal.Command) (int, error) {
	for try := 0; ; try++ {
		ctx, cancel := context.WithTimeout(context.Background(), m.sale.patience)
		res, err := m.replica((buyer+try)%m.sale.replicas).DoShard(ctx, 0, cmd)
		cancel()
		switch {
		case err == nil:
			return res.Answer.(int), nil
		case errs.From(err).Kind != errs.Unavailable:
			return 0, err
		case try > 2000:
			return 0, fmt.Errorf("buyer %d never got an answer; last: %v", buyer, err)
		}
		rest(100 * time.Millisecond)
	}
}

func rest(d time.Duration) { <-time.After(d) }

// run carries the sale out and says what does not hold.
func (m *market) run() ([]trade, error) {
	m.live = make([]*replica, m.sale.replicas)
	var killers, buyers sync.WaitGroup
	for i := range m.sale.replicas {
		if err := m.launch(i); err != nil {
			return nil, err
		}
		if m.sale.killAt[i] > 0 {
			killers.Go(func() {
				rest(m.sale.killAt[i])
				m.replica(i).kill()
				if err := m.launch(i); err != nil {
					m.fail(err)
				}
			})
		}
	}
	for _, p := range m.sale.pauses {
		killers.Go(func() {
			rest(p.at)
			sleeper := m.replica(p.replica).client
			sleeper.Pause()
			rest(p.until - p.at)
			sleeper.Resume()
		})
	}
	killers.Go(func() {
		if err := m.carryOut(m.sale.moves); err != nil {
			m.fail(err)
		}
	})
	trades := make([]trade, m.sale.buyers)
	for b := range trades {
		buyers.Go(func() {
			rest(time.Duration(b) * m.sale.every)
			trades[b] = m.buyOne(b)
		})
	}
	buyers.Wait()
	killers.Wait()
	return trades, m.err
}

// TestSale: over any faults, kills and number of writers, the sequence has no gap, each acknowledged command is in
// exactly once, no refusal is given to a command that is in, the bound holds, and all replicas and a fresh start agree.
func TestSale(t *testing.T) { checkSales(t, drawSale) }

// TestLongSale is TestSale with snapshots at every segment, trimming, and replicas that sleep through the window.
func TestLongSale(t *testing.T) { checkSales(t, drawLongSale) }

func checkSales(t *testing.T, draw func(*rapid.T) sale) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := draw(rt)
		var err error
		synctest.Test(t, func(*testing.T) { err = holdSale(plan) })
		if err != nil {
			rt.Fatalf("%+v\n%v", plan, err)
		}
	})
}

func holdSale(plan sale) error {
	m := &market{sale: plan, store: journaltest.NewStore()}
	trades, err := m.run()
	defer func() {
		for _, r := range m.live {
			r.client.Resume()
			_ = r.stop()
		}
	}()
	rest(time.Minute) // late writes have landed by now
	fresh, launched := launch(m.store, options{name: "fresh", tickets: plan.tickets})
	if err := errors.Join(err, launched); err != nil {
		return err
	}
	defer func() { _ = fresh.stop() }()
	select {
	case <-fresh.Loaded():
	case <-time.After(time.Hour):
		return errors.New("the store cannot be loaded")
	}
	var problems []error
	for i, r := range m.live {
		if err := r.level(); err != nil {
			return fmt.Errorf("replica %d: %w", i, err)
		}
		if a, b := picture(r.State(0)), picture(fresh.State(0)); a != b {
			problems = append(problems, fmt.Errorf("replica %d has %q, a fresh start has %q", i, a, b))
		}
		if err := r.stop(); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(append(problems, checkSequence(m.store), checkTrades(plan, trades, fresh.State(0)))...)
}

// level syncs a replica that may have to try more than once.
func (r *replica) level() error {
	select {
	case <-r.Loaded():
	case err := <-r.done:
		r.done <- err
		return fmt.Errorf("ended before it was loaded: %w", err)
	}
	var err error
	for range 1000 {
		if err = r.Sync(context.Background(), 0); err == nil {
			return nil
		}
		rest(time.Second)
	}
	return err
}

// checkTrades holds what buyers were told against what is recorded. That nobody has two tickets and no ticket two
// buyers is checked by Apply itself.
func checkTrades(plan sale, trades []trade, recorded *tickets) error {
	for b, tr := range trades {
		ticket, in := recorded.sold.Get(fmt.Sprintf("b%d", b))
		switch {
		case (tr.refused || tr.refunded) && in:
			return fmt.Errorf("buyer %d was refused or refunded (%+v), but has ticket %d", b, tr, ticket)
		case tr.refunded:
		case !tr.refused && ticket != tr.ticket:
			return fmt.Errorf("buyer %d was told ticket %d, recorded is %d", b, tr.ticket, ticket)
		}
	}
	sold := recorded.sold.Len()
	if sold+recorded.left != plan.tickets {
		return fmt.Errorf("%d sold and %d left of %d", sold, recorded.left, plan.tickets)
	}
	if want := min(plan.tickets, plan.buyers); !plan.refunds && sold != want {
		return fmt.Errorf("%d sold, want %d", sold, want)
	}
	return nil
}
