package task

import (
	"strings"
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Status is where a task stands.
type Status string

// The statuses. A task that is done is not kept: the service's own event about the effect stands for it.
const (
	Queued  Status = "queued"  // waits until NextAt
	Claimed Status = "claimed" // ClaimedBy may be executing it until ClaimUntil
	Parked  Status = "parked"  // failed too often, or in a way that repeating does not help; waits for an operator
)

// Bounds of the lifecycle.
const (
	// MaxFailures is how often a task may fail before it is parked: six waits of 1, 2, 4, 8, 16 and 32 s, then once more.
	MaxFailures = 7
	// FirstBackOff is the wait after the first failure; every further one is twice as long.
	FirstBackOff = time.Second
	// MaxBackOff bounds the wait.
	MaxBackOff = 32 * time.Second
	// RestWhenClosed is how long a worker begins nothing after it was told that the way to the outside world is closed.
	RestWhenClosed = time.Second
	// MaxReasonBytes bounds Reason.
	MaxReasonBytes = 200
	// MaxClaimTasks bounds the tasks of one Claim or Release command.
	MaxClaimTasks = 256
)

// Codes of refused commands.
const (
	CodeUnknownTask = "unknown_task" // no such task: it is done, or was discarded
	CodeNotClaimed  = "not_claimed"  // the claim was lost to another writer
	CodeNotParked   = "task_not_parked"
)

// Task is the lifecycle of one effect. It is a value: every change makes a new one.
type Task struct {
	// ID names the effect for ever and is what the receiver tells a repeat by. Unique in its service.
	ID     string `json:"id"`
	Status Status `json:"status"`
	// Attempts counts claims, that is, how often the effect may have been made.
	Attempts int `json:"attempts,omitzero"`
	// Failures counts executions that were recorded as failed since the task was queued or retried.
	Failures   int       `json:"failures,omitzero"`
	NextAt     time.Time `json:"next_at,omitzero"`
	ClaimedBy  string    `json:"claimed_by,omitzero"` // the writer
	ClaimUntil time.Time `json:"claim_until,omitzero"`
	// Reason says why it failed last; safe to show, without personal data. At most MaxReasonBytes.
	Reason    string    `json:"reason,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	ParkedAt  time.Time `json:"parked_at,omitzero"`
	// Trace is that of whoever asked for the effect (journal.At.Trace); executions and what they record belong to it.
	Trace string `json:"trace,omitzero"`
}

// New is a task that is due at once.
func New(id string, at time.Time) Task {
	return Task{ID: id, Status: Queued, NextAt: at, CreatedAt: at}
}

// NewClaimed is a task that its creator claims in the commit that creates it, which saves a commit per effect.
// With an empty writer it is New.
func NewClaimed(id string, at time.Time, writer string, lease time.Duration) Task {
	t := New(id, at)
	if writer == "" {
		return t
	}
	return t.claim(at, writer, lease)
}

// In is the task on behalf of the caller of that trace.
func (t Task) In(trace string) Task {
	t.Trace = trace
	return t
}

// Attempted tells whether the effect may have been made already, wholly or not.
func (t Task) Attempted() bool { return t.Attempts > 0 }

// Claimable tells whether writer may claim the task at this time: it is due, or its claim has ended, or is writer's own.
func (t Task) Claimable(at time.Time, writer string) bool {
	switch t.Status {
	case Queued:
		return !at.Before(t.NextAt)
	case Claimed:
		return t.ClaimedBy == writer || !at.Before(t.ClaimUntil)
	default:
		return false
	}
}

// claim gives the task to writer. A renewal of a writer's own claim is no new attempt: its Worker renews only
// what it has not begun.
func (t Task) claim(at time.Time, writer string, lease time.Duration) Task {
	if t.Status != Claimed || t.ClaimedBy != writer {
		t.Attempts++
	}
	t.Status, t.ClaimedBy, t.ClaimUntil, t.NextAt = Claimed, writer, at.Add(lease), time.Time{}
	return t
}

// release gives an unused claim back: the task is due at once and the attempt did not happen.
func (t Task) release(at time.Time) Task {
	t.Attempts--
	return t.queue(at)
}

// queue makes the task wait until at.
func (t Task) queue(at time.Time) Task {
	t.Status, t.ClaimedBy, t.ClaimUntil, t.NextAt, t.ParkedAt = Queued, "", time.Time{}, at, time.Time{}
	return t
}

// fail records a failed execution: another one after the back-off, or parked when it was the last.
func (t Task) fail(at time.Time, reason string) Task {
	t.Failures++
	t.Reason = bounded(reason)
	if t.Failures >= MaxFailures {
		return t.park(at, reason)
	}
	return t.queue(at.Add(BackOff(t.Failures)))
}

// park sets the task aside until an operator decides.
func (t Task) park(at time.Time, reason string) Task {
	t.Status, t.ClaimedBy, t.ClaimUntil, t.NextAt = Parked, "", time.Time{}, time.Time{}
	t.ParkedAt, t.Reason = at, bounded(reason)
	return t
}

// retry makes a parked task due at once, with all its waits before it again.
func (t Task) retry(at time.Time) Task {
	t.Failures = 0
	return t.queue(at)
}

// BackOff is the wait after the nth failure, n from 1.
func BackOff(failures int) time.Duration {
	wait := FirstBackOff
	for range failures - 1 {
		if wait *= 2; wait >= MaxBackOff {
			return MaxBackOff
		}
	}
	return wait
}

// bounded cuts a reason to its bound without splitting a character; it may stem from outside, so it is made UTF-8.
func bounded(reason string) string {
	reason = strings.ToValidUTF8(reason, "?")
	if len(reason) <= MaxReasonBytes {
		return reason
	}
	cut := 0
	for i := range reason {
		if i > MaxReasonBytes {
			break
		}
		cut = i
	}
	return reason[:cut]
}

func unknownTask(id string) error {
	return errs.New(errs.NotFound, CodeUnknownTask, "there is no open task with this id").With("task", id)
}
