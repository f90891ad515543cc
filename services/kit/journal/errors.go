package journal

import (
	"errors"
	"fmt"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// ErrUnknownType is what Types.Decode gives for an event type that it does not know.
var ErrUnknownType = errors.New("journal: unknown event type")

// StepError says which step of a Followed (or which command of an Unpark) was refused, and why.
type StepError struct {
	Step int // index in Followed.Steps
	Err  error
}

// Error names the step and the reason.
func (e *StepError) Error() string { return fmt.Sprintf("step %d: %v", e.Step, e.Err) }

// Unwrap gives the reason.
func (e *StepError) Unwrap() error { return e.Err }

// Codes that callers of a journal may see.
const (
	CodeTrimmed         = "segments_trimmed"
	CodeCommandTooLarge = "command_too_large"
	CodeParkedNotFound  = "parked_not_found"
	CodeParkedFull      = "parked_full"
	CodeAnotherJournal  = "another_journal"
	CodeMoved           = "moved"
)

// errTrimmedAhead says that numbers after the shard's head have been trimmed: what is in memory is too old to go on from.
var errTrimmedAhead = errors.New("journal: segments after the head have been trimmed")

// errContended says that other writers spoiled every decision of a batch.
var errContended = errors.New("journal: other writers of the shard were always first")

// errMissing says that a segment that was committed is not in the store.
var errMissing = errors.New("journal: a committed segment is missing in the store")

// errStopped is the cause when the journal stopped before a command was tried.
var errStopped = errors.New("journal: stopped")

// fatalError is a failure after which the process must not go on: Run returns it.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

func fatalf(format string, args ...any) error { return &fatalError{fmt.Errorf(format, args...)} }

// IsFatal says that err is about what is stored, so that trying again does not help.
func IsFatal(err error) bool { return isFatal(err) }

func isFatal(err error) bool {
	var f *fatalError
	return errors.As(err, &f)
}

// unavailable says that nothing was changed and that a repeat may succeed.
func unavailable(cause error) *errs.Error {
	e := errs.New(errs.Unavailable, errs.CodeUnavailable, "cannot be answered now; nothing was changed").Wrap(cause)
	e.RetryAfter = retryAfter
	return e
}

func trimmed(startAfter uint64) *errs.Error {
	return errs.New(errs.Gone, CodeTrimmed, "these segments have been trimmed; start after start_after or from the snapshot").
		With("start_after", startAfter)
}
