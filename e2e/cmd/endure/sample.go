package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run/footprint"
)

const mb = 1 << 20

// loader is this very process in the report: the load and the runner.
const loader = "load and runner"

// sample is one look at the shop. Sizes are bytes.
type sample struct {
	at       time.Duration // since the load began
	orders   int
	pss      map[string]int64
	counters map[string]float64 // the figures of the apps, added up over all of them
	disk     int64
}

// counted are the shop's own figures that a sample has, with their heading in the CSV file.
var counted = []struct{ metric, heading string }{
	{"sidecart_journal_head_seq", "segments"},
	{"sidecart_journal_trimmed_segments_total", "segments_trimmed"},
	{"sidecart_archive_archived_total", "archived"},
	{"sidecart_tasks_open", "tasks_open"},
	{"sidecart_follow_lag_segments", "follow_lag"},
	{"sidecart_follow_pulls_total", "pulls"},
	{"sidecart_journal_snapshot_seconds_count", "snapshots"},
	{nextGC, "next_gc_bytes"},
	{"go_goroutines", "goroutines"},
}

// nextGC is the heap at which the next garbage collection begins: with Go's default setting twice what was alive after
// the last one. Unlike the size of the heap at a moment it does not go up and down with each collection.
const nextGC = "go_memstats_next_gc_bytes"

// liveHeap is what was alive in the heaps of the services after their last garbage collections, in bytes.
func (s sample) liveHeap() float64 { return s.counters[nextGC] / 2 }

// sample measures every process now and prints a line of progress.
func (e *enduring) sample(ctx context.Context) error {
	usage, err := footprint.Measure(e.shop.Data)
	if err != nil {
		return err
	}
	s := sample{at: time.Since(e.began), pss: map[string]int64{}, counters: map[string]float64{}}
	for _, u := range usage {
		name := u.Name
		if name == footprint.Runner {
			name = loader
		}
		s.pss[name] = u.PSS
	}
	for app, base := range e.shop.Stack.URLs().Internal {
		if app == "broker" || app == "sandbox" {
			continue
		}
		sums, err := harness.Scrape(ctx, e.http, base)
		if err != nil {
			return err
		}
		for _, c := range counted {
			s.counters[c.metric] += sums[c.metric]
		}
	}
	if s.disk, err = sizeOf(e.shop.Data); err != nil {
		return err
	}
	_, s.orders = e.crowd.count()
	e.samples = append(e.samples, s)
	e.progress()
	return nil
}

func (e *enduring) progress() {
	s, before := e.samples[len(e.samples)-1], e.samples[max(0, len(e.samples)-2)]
	rate := float64(s.orders-before.orders) / max(time.Duration(s.at-before.at).Seconds(), 1)
	fmt.Printf("%02d:%02d  %d orders, %.0f/s ", int(s.at.Minutes()), int(s.at.Seconds())%60, s.orders, rate)
	for _, name := range e.processes() {
		fmt.Printf(" %s %.0f", name, float64(s.pss[name])/mb)
	}
	fmt.Printf(" MB  disk %.0f MB  live heap %.0f MB", float64(s.disk)/mb, s.liveHeap()/mb)
	for _, c := range counted[:7] {
		fmt.Printf("  %s %.0f", c.heading, s.counters[c.metric])
	}
	fmt.Println()
}

// processes are the names in the order of the run file, what is the product first.
func (e *enduring) processes() []string {
	var product, others []string
	for _, p := range e.shop.Stack.Processes() {
		if p.Name == "sandbox" {
			others = append(others, p.Name)
		} else {
			product = append(product, p.Name)
		}
	}
	return append(append(product, others...), loader)
}

// sizeOf is what the files of a folder take. What vanishes meanwhile counts nothing.
func sizeOf(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		} else if os.IsNotExist(err) {
			err = nil
		}
		return err
	})
	return total, err
}
