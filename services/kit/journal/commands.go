package journal

import (
	"cmp"
	"slices"
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Followed is a command of the journal itself, given to DoShard: it applies what one or more segments of a source
// mean for this shard and moves the offset, in one commit. A Seq that is not after the recorded offset is a
// duplicate: it answers without events. A refused step refuses the whole command with a *StepError.
//
// Steps may be of several segments, up to Seq. Effects of one segment that are too large for one commit are given in
// parts: Through says that Steps go up to, and not including, that event of segment Seq. Steps of events that are in
// already are left out, so parts by two replicas may overlap.
type Followed struct {
	Source      string // the service followed
	Journal     string // the identity of its journal; one that differs from that of the recorded offset is refused
	SourceShard int
	Seq         uint64         // every effect up to this segment is in: the offset moves here
	Through     int            // 0: the whole of segment Seq; otherwise only its events with an index below it
	Steps       []Step         // in the source's order; empty is a checkpoint of passing over
	Park        map[int]string // index in Steps → reason: the step is not run, its event is parked
}

// Step is what one event of the source means for this shard.
type Step struct {
	Seq   uint64    // of the source's segment; 0: that of the command
	Index int       // of the event in the source's segment
	Trace string    // of the event's caller: Segment.TraceOf; what Cmd changes is done on that one's behalf
	Cmd   Command   // for the shard's Machine
	Event Record    // what is kept when the step is parked
	At    time.Time // the source segment's time
}

// kept is the event as it is parked: away from its segment it says itself whose it is.
func (s Step) kept() Record {
	s.Event.Trace = s.Trace
	return s.Event
}

// The journal's other own commands.
type (
	unpark struct {
		id   string
		cmds []Command
	}
	discardParked  struct{ id string }
	recordFailure  struct{ id, reason string }
	registerFollow struct{ name string }
	forgetFollow   struct{ name string }
)

// plan is what a command of the journal comes to: domain commands to decide in order, then events of its own.
type plan struct {
	steps  []plannedStep
	events []Event
}

type plannedStep struct {
	index int // as a StepError names it
	cmd   Command
	trace string // At.Trace for cmd
}

// systemCommand is decided from the system part of a shard; it may call on the domain through the plan's steps.
type systemCommand interface {
	plan(s *system, at At) (plan, error)
}

func (c Followed) plan(s *system, at At) (plan, error) {
	was := s.offset(c.Source, c.SourceShard)
	if was.Journal != "" && c.Journal != "" && was.Journal != c.Journal {
		return plan{}, errs.Newf(errs.Conflict, CodeAnotherJournal,
			"what was applied from %s is of journal %s, this is of journal %s", c.Source, was.Journal, c.Journal)
	}
	moved := offsetMoved{Source: c.Source, Shard: c.SourceShard, Seq: c.Seq, Journal: cmp.Or(c.Journal, was.Journal)}
	done := 0 // events of segment Seq that are in already
	if c.Seq == was.Seq+1 {
		done = was.Through
	}
	if c.Through > 0 {
		moved.Seq, moved.Through = c.Seq-1, c.Through
	}
	if c.Seq <= was.Seq || c.Through > 0 && c.Through <= done {
		return plan{}, nil
	}
	if s.parked.Len()+len(c.Park) > maxParkedPerShard && len(c.Park) > 0 {
		return plan{}, errs.Newf(errs.Unavailable, CodeParkedFull, "%d parked events wait for an operator; no more are taken", s.parked.Len())
	}
	var p plan
	for i, step := range c.Steps {
		seq := cmp.Or(step.Seq, c.Seq)
		if seq <= was.Seq || seq == was.Seq+1 && step.Index < was.Through {
			continue
		}
		reason, park := c.Park[i]
		if !park {
			p.steps = append(p.steps, plannedStep{i, step.Cmd, step.Trace})
			continue
		}
		id := parkedID(at.Shard, c.Source, c.SourceShard, seq, step.Index)
		p.events = append(p.events, eventParked{Parked{
			ID: id, Source: c.Source, Shard: at.Shard, SourceShard: c.SourceShard, Seq: seq, Index: step.Index,
			Event: step.kept(), Reason: reason, At: step.At, ParkedAt: at.Time,
		}})
	}
	p.events = append(p.events, moved)
	return p, nil
}

func (c unpark) plan(s *system, _ At) (plan, error) {
	if err := s.mustBeParked(c.id); err != nil {
		return plan{}, err
	}
	parked, _ := s.parked.Get(c.id)
	p := plan{events: []Event{parkedResolved{ID: c.id}}}
	for i, cmd := range c.cmds {
		p.steps = append(p.steps, plannedStep{i, cmd, parked.Event.Trace})
	}
	return p, nil
}

func (c discardParked) plan(s *system, _ At) (plan, error) {
	if err := s.mustBeParked(c.id); err != nil {
		return plan{}, err
	}
	return plan{events: []Event{parkedResolved{ID: c.id, Discarded: true}}}, nil
}

func (c recordFailure) plan(s *system, _ At) (plan, error) {
	if err := s.mustBeParked(c.id); err != nil {
		return plan{}, err
	}
	return plan{events: []Event{retryFailed{c.id, c.reason}}}, nil
}

func (c registerFollow) plan(s *system, _ At) (plan, error) {
	if _, known := s.followers.Get(c.name); known {
		return plan{}, nil
	}
	if s.followers.Len() >= maxFollowers {
		return plan{}, errs.Newf(errs.Conflict, "too_many_followers", "%d followers are registered", s.followers.Len())
	}
	return plan{events: []Event{followerRegistered{c.name}}}, nil
}

func (c forgetFollow) plan(s *system, _ At) (plan, error) {
	if _, known := s.followers.Get(c.name); !known {
		return plan{}, nil
	}
	return plan{events: []Event{followerForgotten{c.name}}}, nil
}

func (s *system) mustBeParked(id string) error {
	if _, ok := s.parked.Get(id); !ok {
		return errParkedNotFound
	}
	return nil
}

var errParkedNotFound = errs.New(errs.NotFound, CodeParkedNotFound, "there is no parked event with this id")

// sortParked puts the oldest first; ids break ties so that pages of a list are stable.
func sortParked(list []Parked) {
	slices.SortFunc(list, func(a, b Parked) int {
		if c := a.ParkedAt.Compare(b.ParkedAt); c != 0 {
			return c
		}
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
}
