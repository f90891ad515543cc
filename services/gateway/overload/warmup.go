package overload

import "math"

// warmup is how a service is approached that has just begun, or has answered nothing but failures for a window. While the gateway is
// not ready, Guard refuses everything; then:
//
//	probe   WarmUp.Probe requests in flight, until as many were answered in windows without a failure
//	ramp    twice as many after each WarmUp.Step, as long as failures are rare; half as many when they are not
//	steady  no bound beside the limit
//
// A service fills its caches and connections while few wait for it. It belongs to a limit and is changed under its lock.
type warmup struct {
	phase phase
	good  int64   // answers, in probe
	room  float64 // in ramp
	next  int64   // in ramp: when the step ends
}

type phase uint8

const (
	steady phase = iota
	ramp
	probe
)

// rareFailures is the part of a window's answers that may be failures without slowing the ramp.
const rareFailures = 0.05

func newWarmup(cfg WarmUp) warmup {
	if cfg.Probe == 0 {
		return warmup{}
	}
	return warmup{phase: probe}
}

// window takes note of what a window's answers came to.
func (w *warmup) window(cfg WarmUp, now, answers, failed int64, limit float64) {
	switch {
	case cfg.Probe == 0:
		*w = warmup{}
	case answers == 0:
	case failed == answers: // it is away, or just back and not itself
		*w = warmup{phase: probe}
	case w.phase == probe:
		if w.good += answers; failed > 0 {
			w.good = 0
		}
		if w.good >= int64(cfg.Probe) {
			*w = warmup{phase: ramp, room: 2 * float64(cfg.Probe), next: now + int64(cfg.Step)}
		}
	case w.phase == ramp:
		if float64(failed) > rareFailures*float64(answers) {
			w.room = max(w.room/2, float64(cfg.Probe))
			w.next = now + int64(cfg.Step)
		} else if now >= w.next {
			w.room *= 2
			w.next = now + int64(cfg.Step)
		}
		if w.room >= limit {
			*w = warmup{}
		}
	}
}

// cap is how many may be in flight.
func (w *warmup) cap(cfg WarmUp) float64 {
	switch w.phase {
	case probe:
		return float64(cfg.Probe)
	case ramp:
		return w.room
	default:
		return math.Inf(1)
	}
}
