package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

const (
	startWithin = 2 * time.Minute
	stopWithin  = time.Minute
	settleWith  = 3 * time.Minute
	payWithin   = time.Minute
	httpWithin  = 30 * time.Second
)

// settings make everything that is bounded by time reach its bound within minutes instead of a day.
var settings = [][2]string{
	{"SIDECART_PAY_WITHIN", payWithin.String()},
	{"SIDECART_ARCHIVE_AFTER", "30s"},
	{"SIDECART_STALE_AFTER", "10s"},
	{"SIDECART_TRIM_AFTER", "1m"},
	{"SIDECART_MAIL_CONCURRENCY", "8"},
	{"SIDECART_PPROF_TOKEN", harness.ProfilesToken},
}

// enduring is everything that works on one shop.
type enduring struct {
	config
	shop    *harness.Shop
	http    *http.Client
	folder  string
	began   time.Time
	crowd   *customers
	samples []sample
}

func endure(ctx context.Context, c config) (err error) {
	e := &enduring{config: c, http: &http.Client{Timeout: httpWithin}}
	if err := os.MkdirAll(c.report, 0o755); err != nil {
		return err
	}
	if e.folder, err = os.MkdirTemp("", "sidecart-endure-"); err != nil {
		return err
	}
	fmt.Printf("endure: %s on %s, %d customers, %.1f minutes; data and logs in %s\n", c.placement, c.set, c.customers, c.minutes, e.folder)
	if err := e.open(ctx); err != nil {
		return err
	}
	err = e.work(ctx)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err = errors.Join(err, e.shop.Stop(stopping))
	if len(e.samples) > 1 {
		err = errors.Join(err, e.write())
	}
	if err != nil || c.keep {
		return errors.Join(err, tell("data and logs are in "+e.folder))
	}
	return os.RemoveAll(e.folder)
}

func tell(line string) error {
	_, err := fmt.Println(line)
	return err
}

// open starts the shop from copies of the binaries, so that a build meanwhile changes nothing.
func (e *enduring) open(ctx context.Context) error {
	options, err := harness.Copies(e.folder)
	if err != nil {
		return err
	}
	options = append(options, harness.WithSet(e.set))
	for _, s := range settings {
		options = append(options, harness.WithEnv(s[0], s[1]))
	}
	onEvent := func(ev run.Event) { _ = tell(time.Now().UTC().Format("15:04:05 ") + ev.String()) }
	starting, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	e.shop, err = harness.Start(starting, harness.Placement(e.placement), filepath.Join(e.folder, "shop"), onEvent, options...)
	if err != nil {
		return err
	}
	e.crowd, err = newCustomers(starting, e.shop.Client, e.config)
	return err
}

// work is the load with its samples, then the coming to rest and the books.
func (e *enduring) work(ctx context.Context) error {
	loading, rest := context.WithTimeout(ctx, time.Duration(e.minutes*float64(time.Minute)))
	defer rest()
	e.began = time.Now()
	if err := e.sample(ctx); err != nil {
		return err
	}
	var busy sync.WaitGroup
	busy.Go(func() { e.crowd.run(loading) })
	tick := time.NewTicker(e.every)
	defer tick.Stop()
	var failed error
	for failed == nil && loading.Err() == nil {
		select {
		case <-loading.Done():
		case <-e.shop.Stack.Done():
			failed = fmt.Errorf("the shop gave up: %w", e.shop.Stack.Err())
		case <-tick.C:
			failed = e.sample(ctx)
		}
	}
	rest()
	busy.Wait()
	if failed != nil || ctx.Err() != nil {
		return errors.Join(failed, ctx.Err())
	}
	if e.keep {
		failed = e.profiles(ctx)
	}
	settling, cancel := context.WithTimeout(ctx, settleWith)
	defer cancel()
	return errors.Join(failed, e.balance(settling))
}

// profiles writes what is in the heap of every app of ours.
func (e *enduring) profiles(ctx context.Context) error {
	for app, base := range e.shop.Stack.URLs().Internal {
		if app == "broker" || app == "sandbox" {
			continue
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/debug/pprof/heap?gc=1", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+harness.ProfilesToken)
		resp, err := e.http.Do(req)
		if err != nil {
			return err
		}
		profile, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(e.folder, app+".heap.pprof"), profile, 0o644); err != nil {
			return err
		}
	}
	return nil
}
