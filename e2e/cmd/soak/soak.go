package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sidecart/sidecart/e2e/chaos"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

const (
	startWithin   = 2 * time.Minute
	stopWithin    = time.Minute
	balanceWithin = 2 * time.Minute
	recoverWithin = 15 * time.Second
	progressEvery = 10 * time.Second

	pulls     = "sidecart_follow_pulls_total"
	doubtful  = "sidecart_journal_ambiguous_total"
	conflicts = "sidecart_journal_conflicts_total"
	trimmed   = "sidecart_journal_trimmed_segments_total"
)

// soaking is everything that works on one shop.
type soaking struct {
	config
	shop    *harness.Shop
	load    *chaos.Load
	scribe  *chaos.Scribe
	prober  *chaos.Prober
	killer  *chaos.Killer
	books   *chaos.Books
	meter   *chaos.Meter
	folder  string
	began   time.Time
	stall   time.Duration // of the machine, at the beginning
	mu      sync.Mutex
	kills   map[string]int // by process
	wrong   []string
	balance []time.Duration // how long each coming to rest took
}

func soak(ctx context.Context, c config) (err error) {
	s := &soaking{config: c, kills: map[string]int{}, began: time.Now()}
	s.stall, _ = cpuStall()
	if s.folder, err = os.MkdirTemp("", "sidecart-soak-"); err != nil {
		return err
	}
	fmt.Printf("soak: %s on %s, seed %d, up to %d kills; data and logs in %s\n", c.placement, c.set, c.seed, c.kills, s.folder)
	if err := s.open(ctx); err != nil {
		return err
	}
	background, stopBackground := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.scribe.Run(background) })
	running.Go(func() { s.meter.Run(background) })
	err = s.rounds(ctx)
	stopBackground()
	running.Wait()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err = errors.Join(err, s.shop.Stop(stopping))
	s.tell(os.Stdout)
	if c.report != "" {
		err = errors.Join(err, s.write(c.report))
	}
	if len(s.wrong) > 0 {
		err = errors.Join(err, fmt.Errorf("%d violations; data and logs are in %s", len(s.wrong), s.folder))
	}
	if err == nil {
		err = os.RemoveAll(s.folder)
	}
	return err
}

// open starts the shop from copies of the binaries.
func (s *soaking) open(ctx context.Context) error {
	options, err := harness.Copies(s.folder)
	if err != nil {
		return err
	}
	options = append(options, chaos.Options()...)
	options = append(options, harness.WithSet(s.set))
	log, err := os.Create(filepath.Join(s.folder, "events.log"))
	if err != nil {
		return err
	}
	onEvent := func(e run.Event) { _, _ = fmt.Fprintln(log, time.Now().UTC().Format("15:04:05.000"), e) }
	starting, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if s.shop, err = harness.Start(starting, harness.Placement(s.placement), filepath.Join(s.folder, "shop"), onEvent, options...); err != nil {
		return err
	}
	s.load = chaos.NewLoad(chaos.LoadConfig{Customers: s.customers, Pause: s.pause, Seed: s.seed}, s.shop)
	s.scribe = chaos.NewScribe(s.shop)
	s.prober = chaos.NewProber(s.load)
	s.books = chaos.NewBooks(s.shop, s.load, s.scribe)
	s.meter = chaos.NewMeter(s.shop, pulls, doubtful, conflicts, trimmed)
	s.killer = &chaos.Killer{
		Shop: s.shop, Rng: rand.New(rand.NewPCG(s.seed, 2)), Every: s.every,
		Killed: func(process run.Process) {
			s.prober.Killed(process)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.kills[process.Name]++
		},
	}
	return nil
}

// rounds kills and compares until the kills, the time or the patience with violations are used up.
func (s *soaking) rounds(ctx context.Context) error {
	limit := time.Duration(s.minutes * float64(time.Minute))
	for s.killed() < s.config.kills && (limit == 0 || time.Since(s.began) < limit) {
		if err := s.round(ctx, min(s.config.books, s.config.kills-s.killed())); err != nil {
			return err
		}
		if len(s.wrong) > 0 && !s.goOn {
			return nil
		}
	}
	if err := s.settle(ctx, s.books.Balance, true); err != nil {
		return err
	}
	return s.settle(ctx, s.books.BalanceCold, true)
}

// round is some kills under load, then the books at rest.
func (s *soaking) round(ctx context.Context, kills int) error {
	working, rest := context.WithCancel(ctx)
	defer rest()
	var busy sync.WaitGroup
	busy.Go(func() { s.load.Run(working) })
	busy.Go(func() { s.prober.Run(working) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.killer.Run(working, kills)
	}()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case <-done:
			s.recovered(recoverWithin)
			waiting = false
		case <-tick.C:
			s.progress("")
		case <-s.shop.Stack.Done():
			rest()
			busy.Wait()
			return fmt.Errorf("the shop gave up: %w", s.shop.Stack.Err())
		}
	}
	rest()
	busy.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.settle(ctx, s.books.Balance, false)
}

// settle lets the shop come to rest and compares the books.
func (s *soaking) settle(ctx context.Context, balance func(context.Context, time.Duration, bool) []string, empty bool) error {
	began := time.Now()
	wrong := balance(ctx, balanceWithin, empty)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.balance = append(s.balance, time.Since(began))
	s.books.Accept(wrong)
	s.wrong = append(s.wrong, wrong...)
	for _, w := range wrong {
		fmt.Println("VIOLATION", time.Now().UTC().Format(time.RFC3339), w)
	}
	s.progress(fmt.Sprintf("; at rest after %s", time.Since(began).Round(time.Second)))
	return nil
}

// recovered waits until the prober has seen every route work again, or has waited for long enough.
func (s *soaking) recovered(within time.Duration) {
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		if _, out := s.prober.Recoveries(); out == 0 {
			return
		}
		time.Sleep(progressEvery / 100)
	}
}

func (s *soaking) killed() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kills {
		n += k
	}
	return n
}
