package vitals

import "time"

// Level is how a signal stands.
type Level int

// The levels, from good to bad.
const (
	Fine Level = iota
	Warning
	Danger
)

// String is the level's name in logs and answers.
func (l Level) String() string { return [...]string{"fine", "warning", "danger"}[l] }

// signal is one thing that is watched.
type signal struct {
	name            string
	warning, danger float64 // from which on
	of              func(Reading) float64

	level Level
	wants Level // what the last looks say, if it is not level
	looks int   // how many of them in a row
}

// Bounds of the signals, and how many looks in a row it takes. A level is left only when the signal is a tenth below where it begins,
// so that one that hovers there does not flap.
const (
	risesAfterLooks = 3
	fallsAfterLooks = 6
	fallsBelow      = 0.9
)

// signals are what is watched. The shares leave room to act in. The processors of a busy shop are meant to be used: 95 % over several
// looks says that requests wait for them. A pause of 100 ms is a hundred times what the collector promises; it takes a machine that
// has stopped giving us processors. 100,000 goroutines are six for each request of a full gateway and all its queues.
func signals() []*signal {
	return []*signal{
		{name: "cpu", warning: 0.80, danger: 0.95, of: func(r Reading) float64 { return r.CPU }},
		{name: "memory", warning: 0.80, danger: 0.92, of: func(r Reading) float64 { return r.Memory }},
		{name: "gc_pause", warning: (20 * time.Millisecond).Seconds(), danger: (100 * time.Millisecond).Seconds(),
			of: func(r Reading) float64 { return r.GCPause.Seconds() }},
		{name: "goroutines", warning: 20_000, danger: 100_000, of: func(r Reading) float64 { return float64(r.Goroutines) }},
	}
}

// see takes a reading in and tells whether the level has changed.
func (s *signal) see(r Reading) (changed bool) {
	v := s.of(r)
	wants := s.levelOf(v)
	if wants == s.level {
		s.looks = 0
		return false
	}
	if s.looks == 0 || (wants > s.level) != (s.wants > s.level) {
		s.looks = 0 // it turned round
	}
	s.looks++
	s.wants = wants
	needed := risesAfterLooks
	if wants < s.level {
		needed = fallsAfterLooks
	}
	if s.looks < needed {
		return false
	}
	s.level, s.looks = wants, 0
	return true
}

// levelOf is the level of a value, given the one that is: it is not left before the value is clearly below.
func (s *signal) levelOf(v float64) Level {
	at := func(bound float64, own Level) bool {
		if s.level >= own {
			bound *= fallsBelow
		}
		return v >= bound
	}
	switch {
	case at(s.danger, Danger):
		return Danger
	case at(s.warning, Warning):
		return Warning
	}
	return Fine
}
