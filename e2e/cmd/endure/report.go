package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/sidecart/sidecart/e2e/plot"
)

// per is how many orders a slope is told for.
const per = 100_000

const liveHeap = "live Go heap of the services"

// write makes the three files of the report.
func (e *enduring) write() error {
	table, err := e.csv()
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(e.report, "endurance.csv"), table, 0o644),
		os.WriteFile(filepath.Join(e.report, "endurance.svg"), e.svg(), 0o644),
		os.WriteFile(filepath.Join(e.report, "endurance.md"), e.markdown(), 0o644),
		tell("\n"+string(e.markdown())),
	)
}

func (e *enduring) csv() ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	row := []string{"seconds", "orders", "disk_bytes"}
	for _, name := range e.processes() {
		row = append(row, "pss_bytes "+name)
	}
	for _, c := range counted {
		row = append(row, c.heading)
	}
	err := w.Write(row)
	for _, s := range e.samples {
		row = []string{strconv.Itoa(int(s.at.Seconds())), strconv.Itoa(s.orders), strconv.FormatInt(s.disk, 10)}
		for _, name := range e.processes() {
			row = append(row, strconv.FormatInt(s.pss[name], 10))
		}
		for _, c := range counted {
			row = append(row, strconv.FormatFloat(s.counters[c.metric], 'f', -1, 64))
		}
		err = errors.Join(err, w.Write(row))
	}
	w.Flush()
	return out.Bytes(), errors.Join(err, w.Error())
}

// curve is something of every sample over the minutes.
func (e *enduring) curve(name string, of func(i int) float64) plot.Series {
	s := plot.Series{Name: name}
	for i := range e.samples {
		s.X = append(s.X, e.samples[i].at.Minutes())
		s.Y = append(s.Y, of(i))
	}
	return s
}

func (e *enduring) svg() []byte {
	memory := plot.Panel{Title: "memory (proportional set size), MB", Height: 340}
	for _, name := range e.processes() {
		memory.Series = append(memory.Series, e.curve(name, func(i int) float64 { return float64(e.samples[i].pss[name]) / mb }))
	}
	heap := e.curve(liveHeap, func(i int) float64 { return e.samples[i].liveHeap() / mb })
	memory.Series = append(memory.Series, heap)
	orders := plot.Panel{Title: "orders a second", Height: 90, Series: []plot.Series{e.curve("placed", func(i int) float64 {
		before := e.samples[max(i-1, 0)]
		return float64(e.samples[i].orders-before.orders) / max((e.samples[i].at-before.at).Seconds(), 1)
	})}}
	segments := plot.Panel{Title: "segments of all journals, thousands", Height: 90, Series: []plot.Series{
		e.curve("written", func(i int) float64 { return e.samples[i].counters["sidecart_journal_head_seq"] / 1e3 }),
		e.curve("trimmed", func(i int) float64 { return e.samples[i].counters["sidecart_journal_trimmed_segments_total"] / 1e3 }),
	}}
	open := plot.Panel{Title: "charges and messages that are not made yet", Height: 90, Series: []plot.Series{
		e.curve("open", func(i int) float64 { return e.samples[i].counters["sidecart_tasks_open"] }),
	}}
	title := fmt.Sprintf("A shop under full load for %.0f minutes, placement %q", e.minutes, e.placement)
	return plot.Render(title, "minutes", memory, orders, segments, open)
}

// slope is the least-squares line through the samples from the first after `from` on, in bytes for each order.
func (e *enduring) slope(from time.Duration, of func(sample) float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, s := range e.samples {
		if s.at < from {
			continue
		}
		x, y := float64(s.orders), of(s)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	if d := n*sxx - sx*sx; d > 0 {
		return (n*sxy - sx*sy) / d
	}
	return math.NaN()
}

// markdown is the result for docs.
func (e *enduring) markdown() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	first, last := e.samples[0], e.samples[len(e.samples)-1]
	_, orders := e.crowd.count()
	line("`scripts/endure --minutes %g --placement %s --set %s --customers %d --seed %d`, %s UTC", e.minutes, e.placement, e.set, e.customers, e.seed, e.began.UTC().Format("2006-01-02 15:04"))
	line("")
	line("Settings:")
	for _, s := range settings {
		line("%s=%s", s[0], s[1])
	}
	line("")
	line("| | |\n|---|---|")
	line("| orders, orders a second | %d, %.0f |", orders, float64(last.orders)/last.at.Seconds())
	for _, end := range slices.Sorted(maps.Keys(e.crowd.ends)) {
		line("| &nbsp; visits that ended with %s | %d |", end, e.crowd.ends[end])
	}
	slices.Sort(e.crowd.seconds)
	line("| a visit, of the last %d: p50, p99 | %.2f s, %.2f s |", len(e.crowd.seconds), percentile(e.crowd.seconds, 50), percentile(e.crowd.seconds, 99))
	line("| segments written, trimmed | %.0f, %.0f |", last.counters["sidecart_journal_head_seq"], last.counters["sidecart_journal_trimmed_segments_total"])
	line("| snapshots | %.0f |", last.counters["sidecart_journal_snapshot_seconds_count"])
	line("| orders and messages archived | %.0f |", last.counters["sidecart_archive_archived_total"])
	line("| data folder, logs included | %.0f MB |", float64(last.disk)/mb)
	line("")
	half, quarter := last.at/2, last.at*3/4
	line("| process | start MB | half MB | end MB | peak MB | slope of the last half, MB per 100,000 orders | of the last quarter |\n|---|---|---|---|---|---|---|")
	row := func(name string, of func(sample) float64) {
		peak := 0.0
		middle := e.samples[slices.IndexFunc(e.samples, func(s sample) bool { return s.at >= half })]
		for _, s := range e.samples {
			peak = max(peak, of(s))
		}
		line("| %s | %.0f | %.0f | %.0f | %.0f | %+.1f | %+.1f |", name, of(first)/mb, of(middle)/mb, of(last)/mb, peak/mb,
			e.slope(half, of)*per/mb, e.slope(quarter, of)*per/mb)
	}
	for _, name := range e.processes() {
		row(name, func(s sample) float64 { return float64(s.pss[name]) })
	}
	row(liveHeap, sample.liveHeap)
	return b.Bytes()
}

// percentile of what is sorted.
func percentile(sorted []float64, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*p/100]
}
