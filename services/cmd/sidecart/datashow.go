package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/services/datacopy"
)

func (o *copyOptions) showPlan(ctx context.Context, con *console, c *datacopy.Copier, end func()) error {
	plan, err := c.Plan(ctx)
	end()
	if err != nil {
		return err
	}
	con.line("%-10s  %6s  %9s  %10s  %10s  %16s", "service", "shards", "segments", "about", "snapshots", "archived, at least")
	for _, s := range plan.Services {
		con.line("%-10s  %6d  %9d  %10s  %10s  %16d", s.Service, s.Shards, s.Segments, megabytes(s.SegmentBytes), megabytes(s.SnapshotBytes), s.Catalogued)
	}
	if plan.Resumes {
		con.line("An earlier run has begun: what it has copied is not copied again.")
	}
	con.line("Reading all of it takes about %s at the speed of a sample; a copy, which also writes and reads back, takes longer.",
		time.Duration(plan.ReadSecs*float64(time.Second)).Round(10*time.Millisecond))
	con.line("Nothing was written.")
	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func (o *copyOptions) undoCopy(ctx context.Context, con *console, c *datacopy.Copier, end func()) error {
	undo := c.Undo
	if o.lost {
		undo = c.UndoWithoutTarget
	}
	opened, err := undo(ctx)
	end()
	if err != nil {
		return fmt.Errorf("%w\nOpened %s of the source", err, count(opened, "shard"))
	}
	con.line("%s: the shop goes on with %s (%s opened).", con.paint(good, "undone"), o.from, count(opened, "shard"))
	con.line("Run this again if a copy was killed less than a minute ago: its last write may have come late.")
	return nil
}

// explain adds to a failure who is the shop now and what to do.
func (o *copyOptions) explain(err error, report datacopy.Report) error {
	switch {
	case errors.Is(err, datacopy.ErrUndone):
		return fmt.Errorf("%w\nThe shop goes on with %s", err, o.from)
	case report.Switched:
		return fmt.Errorf("%w\n%s is the shop now, and not all of it is open yet: run the same command again", err, o.to)
	case report.PauseSecs > 0:
		return fmt.Errorf("%w\nThe source may be closed, and nothing is open: run the same command again to go on, or with --undo to sell from %s again", err, o.from)
	}
	return fmt.Errorf("%w\nThis run has closed nothing; what an earlier one has closed still is. Run the same command again to go on, or with --undo to sell from %s", err, o.from)
}

func (o *copyOptions) showReport(con *console, r datacopy.Report) {
	if r.Already {
		con.line("%s: %s was the shop already; all of it is open. Start with it, and leave %s stopped.", con.paint(good, "done"), o.to, o.from)
		return
	}
	con.line("%s: %s, %s, %s in %.1f s while the shop sold; closed for %.2f s", con.paint(good, "done"), count(int(r.Segments), "segment"),
		count(int(r.Views), "archived order"), count(int(r.Chunks), "snapshot chunk"), r.CopySecs, r.PauseSecs)
	for _, name := range slices.Sorted(maps.Keys(r.Services)) {
		a := r.Services[name]
		heads := make([]string, len(a.Shards))
		for i, s := range a.Shards {
			heads[i] = fmt.Sprint(s.Head)
		}
		var totals []string
		for _, what := range slices.Sorted(maps.Keys(a.Totals)) {
			totals = append(totals, fmt.Sprintf("%s %d", what, a.Totals[what]))
		}
		con.line("%-10s  equal in both up to %s: %s", name, strings.Join(heads, ", "), strings.Join(totals, ", "))
	}
	for _, key := range r.Missing {
		con.line("%s: the source names %s and does not have it", con.paint(careful, "warning"), key)
	}
	con.line("Now start the shop with %s. %s takes nothing any more; keep it until you trust the other, then delete it.", o.to, o.from)
}
