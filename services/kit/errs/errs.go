package errs

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what sort of failure an Error is; each kind has one HTTP status (see Kind.Status).
type Kind uint8

// The kinds, in the order of the status table.
const (
	Internal         Kind = iota // a defect or an unexpected failure of ours
	Invalid                      // the request is malformed: syntax, types, bounds
	Unauthenticated              // the caller is not known
	Forbidden                    // the caller is known and may not
	NotFound                     // what was named does not exist
	MethodNotAllowed             // the resource exists, the method does not apply to it
	Conflict                     // the current state does not allow it (sold out, already cancelled)
	Gone                         // it existed and was removed (a trimmed segment)
	TooLarge                     // the body is over its bound
	UnsupportedMedia             // the content type is not one that we read
	Unprocessable                // well-formed, but says something that cannot be done
	TooMany                      // this caller sends more than it may
	Unavailable                  // cannot be answered now, or the outcome is unknown; safe to repeat
)

// Codes that more than one package answers with. A service's own codes live beside its domain.
const (
	CodeInternal        = "internal"
	CodeUnauthenticated = "unauthenticated"
	CodeForbidden       = "forbidden"
	CodeInvalidRequest  = "invalid_request"
	CodeNotFound        = "not_found"
	CodeUnavailable     = "unavailable"
	CodeOverloaded      = "overloaded"
	CodeOutcomeUnknown  = "outcome_unknown"
)

// Field is one complaint about one part of a request.
type Field struct {
	// Field names the part: a JSON pointer into the body ("/lines/0/quantity"), or a header, path or query parameter.
	Field string `json:"field"`
	// Message says what is wrong with it; it never repeats a secret value.
	Message string `json:"message"`
	// Rule is the rule of the contract that it breaks ("maximum"), and Type the JSON type of what came ("integer"), where the
	// contract is what refused it.
	Rule string `json:"rule,omitzero"`
	Type string `json:"type,omitzero"`
}

// Error is the one error type that crosses package and service borders. Code and Message may be shown to
// anybody; the cause is for logs only. An Error is immutable: the With methods return changed copies.
type Error struct {
	Kind       Kind
	Code       string         // stable, snake_case, part of the contract
	Message    string         // safe to show
	Fields     []Field        // what was wrong with the input, if that is what it is about
	Extra      map[string]any // further members of the problem document, such as "skus"
	RetryAfter time.Duration  // when to try again; 0 says nothing
	cause      error
}

// New makes an Error of kind with its public code and message.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Newf is New with a formatted message.
func Newf(kind Kind, code, format string, args ...any) *Error {
	return New(kind, code, fmt.Sprintf(format, args...))
}

// InvalidField refuses a request because of one field.
func InvalidField(field, format string, args ...any) *Error {
	message := fmt.Sprintf(format, args...)
	e := New(Invalid, CodeInvalidRequest, field+": "+message)
	e.Fields = []Field{{Field: field, Message: message}}
	return e
}

// OutcomeUnknown says that a change may or may not have happened and that repeating it is safe.
func OutcomeUnknown(cause error) *Error {
	e := New(Unavailable, CodeOutcomeUnknown, "the outcome is unknown; repeat the request with the same id").Wrap(cause)
	e.RetryAfter = time.Second
	return e
}

// Overloaded refuses work that a bound has no room for; nothing was changed.
func Overloaded(what string) *Error {
	e := New(Unavailable, CodeOverloaded, what+" is full; try again shortly")
	e.RetryAfter = time.Second
	return e
}

// Wrap returns a copy that carries cause for the logs.
func (e *Error) Wrap(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// With returns a copy whose problem document has the further member name.
func (e *Error) With(name string, value any) *Error {
	c := *e
	c.Extra = make(map[string]any, len(e.Extra)+1)
	for k, v := range e.Extra {
		c.Extra[k] = v
	}
	c.Extra[name] = value
	return &c
}

// Error is the text for logs: code, message and cause.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return e.Code + ": " + e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// From finds the Error in err's chain; anything else becomes an Internal one that wraps err.
// From(nil) is nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return New(Internal, CodeInternal, "something went wrong on our side").Wrap(err)
}

// HasCode tells whether err's chain holds an Error with the code.
func HasCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}
