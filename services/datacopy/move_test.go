package datacopy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// move is a plan for a shop that is moved while it sells.
type move struct {
	replicas, customers int
	every               time.Duration // between a customer's counts
	before              time.Duration // that the shop has sold for when the copy begins
	shop, copier        journaltest.Faults
	kills               []time.Duration // of the copier: how long each of its lives lasts, but for the last
	undo                bool            // after the kills, once, before the last life
	zombie              bool            // one life is not killed but paused, and wakes when the target sells
	restart             time.Duration   // of a source's replica, by kill; 0: never
}

func drawMove(t *rapid.T) move {
	share := func(name string, most float64) float64 { return rapid.Float64Range(0, most).Draw(t, name) }
	faults := func(of string) journaltest.Faults {
		return journaltest.Faults{
			Seed: rapid.Uint64().Draw(t, of+" seed"), FailBefore: share(of+" before", .1), FailAfter: share(of+" after", .1),
			PlainConflict: share(of+" plain", .3), Delay: share(of+" delay", .3), StallLate: share(of+" late", .003),
			DelayUpTo: time.Duration(rapid.IntRange(1, 300).Draw(t, of+" delay_ms")) * time.Millisecond,
		}
	}
	ms := func(name string, low, high int) time.Duration {
		return time.Duration(rapid.IntRange(low, high).Draw(t, name)) * time.Millisecond
	}
	m := move{
		replicas: rapid.IntRange(1, 3).Draw(t, "replicas"), customers: rapid.IntRange(1, 6).Draw(t, "customers"),
		every: ms("every_ms", 400, 8000), before: ms("before_ms", 0, 30_000), shop: faults("shop"), copier: faults("copier"),
		undo: rapid.Bool().Draw(t, "undo"), zombie: rapid.Bool().Draw(t, "zombie"),
	}
	for range rapid.IntRange(0, 4).Draw(t, "lives") {
		m.kills = append(m.kills, ms("life_ms", 1, 15_000))
	}
	if rapid.Bool().Draw(t, "restarts") {
		m.restart = ms("restart_ms", 1, 60_000)
	}
	return m
}

// world is a move under way.
type world struct {
	move           move
	source, target *journaltest.Store
	clients        *customers

	mu       sync.Mutex
	moved    bool
	replicas []*replica // that serve: of the source, of the target once it was moved
	all      []*replica
}

func (w *world) open(store *journaltest.Store, name string) error {
	r, err := launch(store, name, w.move.shop, settings())
	if err == nil {
		w.mu.Lock()
		w.replicas, w.all = append(w.replicas, r), append(w.all, r)
		w.mu.Unlock()
	}
	return err
}

func (w *world) pick(i int) *replica {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.replicas[i%len(w.replicas)]
}

// TestAMoveLosesNothing moves a shop that sells, with faults in both stores, replicas that die, and copiers that die, are
// undone or sleep. What customers were told is in the target afterwards, and the source takes nothing any more.
func TestAMoveLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := drawMove(rt)
		var err error
		synctest.Test(t, func(*testing.T) { err = carryOut(plan) })
		if err != nil {
			rt.Fatalf("%+v\n%v", plan, err)
		}
	})
}

func carryOut(plan move) (err error) {
	w := &world{move: plan, source: journaltest.NewStore(), target: journaltest.NewStore(), clients: &customers{told: map[string]int{}}}
	for i := range plan.replicas {
		if err := w.open(w.source, fmt.Sprint("a", i)); err != nil {
			return err
		}
	}
	<-w.pick(0).log.Loaded() // from here on there is a journal
	stop := make(chan struct{})
	var customers sync.WaitGroup
	failures := make(chan error, plan.customers+1)
	for i := range plan.customers {
		customers.Go(func() {
			if err := w.clients.one(fmt.Sprintf("c%d", i), ownerOf(i), plan.every, func() *replica { return w.pick(i) }, stop); err != nil {
				failures <- err
			}
		})
	}
	if plan.restart > 0 {
		customers.Go(func() {
			rest(plan.restart)
			w.pick(0).kill()
			r, err := launch(w.source, "again", plan.shop, settings())
			if err != nil {
				failures <- err
				return
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.all = append(w.all, r)
			if !w.moved {
				w.replicas[0] = r
			}
		})
	}
	defer func() {
		for _, r := range w.all {
			err = errors.Join(err, r.stop())
		}
	}()
	rest(plan.before)
	sleeper, err := w.copyOver()
	if err == nil {
		err = w.goOn(sleeper)
	}
	close(stop)
	customers.Wait()
	close(failures)
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	return errors.Join(err, func() error {
		if err != nil {
			return nil
		}
		return errors.Join(w.clients.check(w.target), sameEverywhere(w.source, w.target), w.closed())
	}())
}

// copyOver runs copiers until one gets to the end. It gives the one that sleeps, if there is one.
func (w *world) copyOver() (sleeper func() error, err error) {
	for i, life := range w.move.kills {
		name := fmt.Sprint("copier", i)
		from, to := w.source.Client(name, w.move.copier), w.target.Client(name, w.move.copier)
		c, err := New(Config{From: "a", To: "b", Services: []Service{service()}}, from, to)
		if err != nil {
			return nil, err
		}
		done := make(chan error, 1)
		go func() { _, err := c.Run(context.Background()); done <- err }()
		rest(life)
		if w.move.zombie && i == 0 {
			from.Pause()
			to.Pause()
			sleeper = func() error { from.Resume(); to.Resume(); <-done; return nil }
			continue
		}
		from.Cut()
		to.Cut()
		<-done
	}
	if w.move.undo {
		if err := w.undo(); err != nil {
			return sleeper, err
		}
	}
	c, err := New(Config{From: "a", To: "b", Services: []Service{service()}}, w.source.Client("last", w.move.copier), w.target.Client("last", w.move.copier))
	if err != nil {
		return sleeper, err
	}
	report, err := c.Run(context.Background())
	if err == nil && !report.Switched {
		err = errors.New("no error, and not switched")
	}
	return sleeper, err
}

// undo gives the copy up, unless a run has switched, and waits until the shop sells from the source again.
func (w *world) undo() error {
	c, err := New(Config{From: "a", To: "b", Services: []Service{service()}}, w.source.Client("undo", w.move.copier), w.target.Client("undo", w.move.copier))
	if err != nil {
		return err
	}
	rest(time.Minute) // a Moved that is late has landed
	_, err = c.Undo(context.Background())
	if isFinal(err) { // switched, or nothing was begun
		return nil
	}
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		err := w.pick(try).log.Ready()
		if err == nil {
			return nil
		}
		if try > 300 {
			return fmt.Errorf("undone, but: %w", err)
		}
		rest(time.Second)
	}
}

// goOn lets the shop sell from the target, and the sleeper wake into that.
func (w *world) goOn(sleeper func() error) error {
	var serving []*replica
	for i := range w.move.replicas {
		r, err := launch(w.target, fmt.Sprint("b", i), w.move.shop, settings())
		if err != nil {
			return err
		}
		serving = append(serving, r)
	}
	w.mu.Lock()
	w.replicas, w.all, w.moved = serving, append(w.all, serving...), true
	w.mu.Unlock()
	rest(20 * time.Second)
	if sleeper != nil {
		if err := sleeper(); err != nil {
			return err
		}
	}
	rest(30 * time.Second)
	return nil
}

// closed checks that nothing is behind the source's Moved, and that what stands there stands in the target too.
func (w *world) closed() error {
	c, err := New(Config{From: "a", To: "b", Services: []Service{service()}}, w.source.Client("x", journaltest.Faults{}), w.target.Client("x", journaltest.Faults{}))
	if err != nil {
		return err
	}
	metas, err := c.metas(context.Background())
	if err != nil {
		return err
	}
	r, err := c.readRecord(context.Background())
	if err != nil {
		return err
	}
	shards, err := c.shards(context.Background(), r, metas)
	if err != nil {
		return err
	}
	for _, s := range shards {
		end, err := s.end(context.Background())
		if err != nil {
			return err
		}
		s.at.Through = end
		if moved, err := s.closed(context.Background()); err != nil || !moved || r.Closed["shop"][s.shard] != end {
			return fmt.Errorf("shard %d of the source ends at %d, closed at %d: moved is %v, %w", s.shard, end, r.Closed["shop"][s.shard], moved, err)
		}
	}
	return nil
}

func TestAMoveOfAQuietShop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, carryOut(move{replicas: 1, customers: 3, every: time.Second, before: 30 * time.Second}))
	})
}
