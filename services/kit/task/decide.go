package task

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Claim asks for the tasks for a writer. The answer is []Task: those that it got; the others are claimed by
// somebody else, done, or not due. Deciding it never fails.
type Claim struct {
	By    string
	IDs   []string // at most MaxClaimTasks
	Lease time.Duration
}

// Release gives claims back that were not begun. The answer is []Task: those that it released.
type Release struct {
	By  string
	IDs []string // at most MaxClaimTasks
}

// Fail records that an execution failed or that its outcome is unknown. The answer is the Task.
type Fail struct {
	ID     string
	By     string
	Reason string
}

// Park records that repeating the execution does not help. The answer is the Task.
type Park struct {
	ID     string
	By     string
	Reason string
}

// Retry is an operator's: a parked task is tried again now. The answer is the Task.
type Retry struct{ ID string }

// Discard is an operator's: a parked task is given up. What that means is the service's to say, so Decide leaves it
// to the service; CheckParked is what it begins with.
type Discard struct{ ID string }

// Decide answers the commands of this package from the open tasks of a shard. The service wraps every task in
// changed in an event of its own, and puts it into the Set when it applies that event. handled is false when
// cmd is none of this package's.
func Decide(s *Set, at time.Time, cmd any) (answer any, changed []Task, err error, handled bool) {
	switch c := cmd.(type) {
	case Claim:
		changed = each(s, c.IDs, func(t Task) (Task, bool) {
			return t.claim(at, c.By, c.Lease), t.Claimable(at, c.By)
		})
		return changed, changed, nil, true
	case Release:
		changed = each(s, c.IDs, func(t Task) (Task, bool) {
			return t.release(at), t.Status == Claimed && t.ClaimedBy == c.By
		})
		return changed, changed, nil, true
	case Fail:
		return one(s, c.ID, claimedBy(c.By), func(t Task) Task { return t.fail(at, c.Reason) })
	case Park:
		return one(s, c.ID, claimedBy(c.By), func(t Task) Task { return t.park(at, c.Reason) })
	case Retry:
		return one(s, c.ID, isParked, func(t Task) Task { return t.retry(at) })
	default:
		return nil, nil, nil, false
	}
}

// Subject gives a task that a command of this package is about, for a service that keeps several Sets; all tasks
// of one command are in the same Set.
func Subject(cmd any) (id string, ok bool) {
	switch c := cmd.(type) {
	case Claim:
		return first(c.IDs)
	case Release:
		return first(c.IDs)
	case Fail:
		return c.ID, true
	case Park:
		return c.ID, true
	case Retry:
		return c.ID, true
	case Discard:
		return c.ID, true
	default:
		return "", false
	}
}

func first(ids []string) (string, bool) {
	if len(ids) == 0 {
		return "", false
	}
	return ids[0], true
}

// each changes those of the tasks that may be; ids beyond the bound wait for the next command.
func each(s *Set, ids []string, change func(Task) (Task, bool)) []Task {
	if len(ids) > MaxClaimTasks {
		ids = ids[:MaxClaimTasks]
	}
	changed := make([]Task, 0, len(ids))
	for _, id := range ids {
		if t, ok := s.Get(id); ok {
			if next, may := change(t); may {
				changed = append(changed, next)
			}
		}
	}
	return changed
}

// one changes one task when check allows it.
func one(s *Set, id string, check func(Task) error, change func(Task) Task) (any, []Task, error, bool) {
	t, ok := s.Get(id)
	if !ok {
		return nil, nil, unknownTask(id), true
	}
	if err := check(t); err != nil {
		return nil, nil, err, true
	}
	next := change(t)
	return next, []Task{next}, nil, true
}

// claimedBy refuses a result of a writer that lost its claim: whoever has it now speaks for the task.
func claimedBy(writer string) func(Task) error {
	return func(t Task) error {
		if t.Status == Claimed && t.ClaimedBy == writer {
			return nil
		}
		return errs.New(errs.Conflict, CodeNotClaimed, "the task is not claimed by this writer")
	}
}

// CheckParked gives the parked task that an operator means, or says why there is none.
func CheckParked(s *Set, id string) (Task, error) {
	t, ok := s.Get(id)
	if !ok {
		return Task{}, unknownTask(id)
	}
	return t, isParked(t)
}

func isParked(t Task) error {
	if t.Status == Parked {
		return nil
	}
	return errs.New(errs.Conflict, CodeNotParked, "the task is not parked")
}
