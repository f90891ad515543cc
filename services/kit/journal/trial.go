package journal

import (
	"errors"
	"runtime/debug"
	"slices"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// trial is a batch being decided on a clone of the committed state. If its segment wins, the clone becomes the
// committed state; if not, the whole trial is dropped.
type trial[S any] struct {
	machine Machine[S]
	types   Types
	at      At
	view    *view[S]
	records []Record
	data    []byte // what the records stand in
	bytes   int    // of the records
	answers []outcome

	callers callers
	traced  func(eventType string) bool // Config.TraceEvents

	maxBytes int  // at which no further command is taken
	alone    bool // the command being decided has the whole segment to itself
}

// errFull says that the command's events have no room beside those of the commands before it.
var errFull = errors.New("journal: the segment is full")

// room is memory for the records and answers of one trial after the other of a shard: nobody needs the records once their segment is
// encoded, or the answers once they are given. It grows to what the largest segment (maxSegmentBytes) and the largest batch so far took.
type room struct {
	records []Record
	data    []byte
	answers []outcome
}

// newTrial starts a batch whose segment will be at at. It writes over what the trial left that had the room before.
func newTrial[S any](m Machine[S], cfg Config, types Types, committed *view[S], at At, in room) *trial[S] {
	// They would keep alive what data stood in before it grew, and what was answered.
	clear(in.records)
	clear(in.answers)
	return &trial[S]{
		machine: m, types: types, at: at, view: committed.clone(m), maxBytes: cfg.MaxBatchBytes, traced: cfg.TraceEvents,
		answers: in.answers[:0], records: in.records[:0], data: in.data[:0],
	}
}

// room is what the next trial may write over when this one is settled or given up.
func (t *trial[S]) room() room { return room{t.records, t.data, t.answers} }

// decide decides one command after those before it and keeps its answer. It returns errFull, and keeps nothing, when
// the command must wait for the next segment, and *panicError when the domain panicked: the trial is then spoiled.
func (t *trial[S]) decide(cmd Command) error {
	if t.view.system.moved != nil {
		t.answers = append(t.answers, outcome{err: errMoved})
		return nil
	}
	t.alone = len(t.records) == 0
	var answer any
	var err error
	if own, ok := cmd.(systemCommand); ok {
		err = t.decideOwn(own)
	} else {
		answer, err = t.decideDomain(cmd)
	}
	// Not errors.As: a panic inside a step is wrapped, and is a refusal.
	if _, spoiled := err.(*panicError); spoiled || errors.Is(err, errFull) {
		return err
	}
	t.answers = append(t.answers, outcome{result: Result{Answer: answer}, err: err})
	return nil
}

// decideDomain decides a command of the domain and applies its events.
func (t *trial[S]) decideDomain(cmd Command) (answer any, err error) {
	defer catch(&err)
	answer, events, err := t.machine.Decide(t.view.domain, t.at, cmd)
	if err != nil {
		return nil, err
	}
	if err := t.record(events); err != nil {
		return answer, err
	}
	if len(events) > 0 {
		t.callers.note(t.at.Trace)
	}
	return answer, nil
}

// decideOwn decides a command of the journal. Its steps are tried on a fork, because a refused step undoes those before it.
func (t *trial[S]) decideOwn(cmd systemCommand) (err error) {
	defer catch(&err)
	p, err := cmd.plan(t.view.system, t.at)
	if err != nil {
		return err
	}
	fork := *t
	if len(p.steps) > 0 {
		fork.view = t.view.clone(t.machine)
	}
	for _, step := range p.steps {
		fork.at.Trace = step.trace
		if _, err := fork.decideDomain(step.cmd); err != nil {
			var p *panicError
			switch {
			case errors.Is(err, errFull), errs.HasCode(err, CodeCommandTooLarge): // of the command as a whole
				return err
			case errors.As(err, &p): // of a step: the follower may park it, so it is a refusal and not a spoiled batch
				return &StepError{step.index, errPanicked(p)}
			}
			return &StepError{step.index, err}
		}
	}
	if err := fork.record(p.events); err != nil {
		return err
	}
	*t = fork
	return nil
}

// record writes the events of one command down and applies them, all or none.
func (t *trial[S]) record(events []Event) error {
	records, data, bytes := t.records, t.data, 0
	applied, copied := events, false
	for i, e := range events {
		r, back, longer, err := encodeRecord(t.types, e, data)
		if err != nil {
			return errs.New(errs.Internal, errs.CodeInternal, "something went wrong on our side").Wrap(err)
		}
		if _, exact := e.(Exact); !exact {
			if !copied {
				applied, copied = slices.Clone(events), true // events are the domain's
			}
			applied[i] = back
		}
		if t.traced != nil && t.traced(r.Type) {
			r.Trace = t.at.Trace
		}
		records, data, bytes = append(records, r), longer, bytes+r.size()
	}
	if err := t.fits(bytes); err != nil {
		return err
	}
	at := t.at
	at.Trace = "" // a later start would not have it
	for _, e := range applied {
		t.view.apply(t.machine, at, e)
	}
	t.records, t.data, t.bytes = records, data, t.bytes+bytes
	return nil
}

// fits tells whether bytes more have room. A command that is alone may use all that a value can hold, so that one
// over MaxBatchBytes is not put off for ever.
func (t *trial[S]) fits(bytes int) error {
	switch total := t.bytes + bytes; {
	case t.alone && total > maxSegmentBytes:
		return errs.Newf(errs.TooLarge, CodeCommandTooLarge,
			"what this changes takes %d bytes to record, over the bound of %d", total, maxSegmentBytes)
	case !t.alone && total > t.maxBytes:
		return errFull
	}
	return nil
}

// catch turns a panic of the domain into an error.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = &panicError{value: p, stack: debug.Stack()}
	}
}

func errPanicked(p *panicError) error {
	return errs.New(errs.Internal, errs.CodeInternal, "something went wrong on our side").Wrap(p)
}
