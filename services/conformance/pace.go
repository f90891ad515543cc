package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Of the pace. A shop has one commit under way for each shard: four services with two shards each make eight callers, and
// the value is a segment with a few orders.
const (
	paceCallers    = 8
	paceValueBytes = 4 << 10
	maxPaceKeys    = 10_000
	aloneKeys      = 100
	slowCreate     = 2 * time.Second
)

// paceChecks measure; on a machine that does other things at the same time the figures are a lower bound.
func paceChecks() []check {
	return []check{{Property{
		"pace", fmt.Sprintf("99 of 100 creates take less than %s with %d callers at a time", slowCreate, paceCallers),
		"customers wait: a commit takes one create, and a sale two or three commits", Degraded,
	}, pace}}
}

func pace(ctx context.Context, r *run) (string, error) {
	value := document64(1, paceValueBytes)
	alone, _, err := creates(ctx, r, "alone", 1, aloneKeys, r.paceFor, value)
	if err != nil {
		return "", err
	}
	crowd, took, err := creates(ctx, r, "crowd", paceCallers, maxPaceKeys, r.paceFor, value)
	if err != nil {
		return "", err
	}
	r.measured = Pace{
		Callers: paceCallers, ValueBytes: paceValueBytes, PerSecond: float64(len(crowd)) / max(took, time.Microsecond).Seconds(),
		P50: quantile(crowd, 50), P99: quantile(crowd, 99), AloneP50: quantile(alone, 50), AloneP99: quantile(alone, 99),
	}
	if r.measured.P99 > slowCreate {
		return "", fmt.Errorf("one create in a hundred takes %s or longer", r.measured.P99.Round(time.Millisecond))
	}
	return fmt.Sprintf("%.0f creates/s of %d KB by %d callers: half within %s, 99 of 100 within %s; one caller: %s and %s", r.measured.PerSecond, paceValueBytes>>10, paceCallers,
		short(r.measured.P50), short(r.measured.P99), short(r.measured.AloneP50), short(r.measured.AloneP99)), nil
}

// creates has callers create keys for a while and gives how long each acknowledged create took, and all of it.
func creates(ctx context.Context, r *run, name string, callers, most int, within time.Duration, value []byte) ([]time.Duration, time.Duration, error) {
	took := make([]time.Duration, most)
	var failed atomic.Int64
	began := time.Now()
	each(callers, most, func(i int) {
		start := time.Now()
		if start.Sub(began) > within || ctx.Err() != nil {
			return
		}
		if err := r.state.Create(ctx, r.key("pace", name, i), value); err != nil {
			failed.Add(1)
			return
		}
		took[i] = max(time.Since(start), 1)
	})
	all := time.Since(began)
	took = slices.DeleteFunc(took, func(d time.Duration) bool { return d == 0 })
	if len(took) == 0 || int(failed.Load()) > len(took) {
		return nil, 0, errors.New("most creates failed")
	}
	slices.Sort(took)
	return took, all, nil
}

// quantile of sorted durations, percent from 1 to 99.
func quantile(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
}

// short is a duration with two or three digits.
func short(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Second, 100 * time.Millisecond, 10 * time.Millisecond, time.Millisecond} {
		if d >= 10*unit {
			return d.Round(unit / 10)
		}
	}
	return d.Round(10 * time.Microsecond)
}
