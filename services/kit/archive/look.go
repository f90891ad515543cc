package archive

import (
	"errors"
	"time"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// ErrLookAgain says that a decision needs what the store knows about an aggregate that is not in memory. It never
// reaches a caller: Journal looks and asks again.
var ErrLookAgain = errors.New("archive: the aggregate may be archived; look and decide again")

const retryAfter = time.Second

// Look is what the store said about an aggregate while the Index was at Generation.
type Look[T any] struct {
	Generation uint64
	View       *View[T] // nil: the store has no view of it
}

// Command is a command about one aggregate that may be archived.
type Command[T any] interface {
	AggregateID() string
	// WithLook is the same command carrying what the store said.
	WithLook(Look[T]) journal.Command
}

// Find is for Decide, about an id that is not in memory: it gives the archived aggregate, nil if there certainly is
// none, or ErrLookAgain when look is missing or was made before something else was archived.
func Find[T any](x *Index, id string, look *Look[T]) (*View[T], error) {
	if !x.Maybe(id) {
		return nil, nil
	}
	if look == nil || look.Generation != x.Generation() {
		return nil, ErrLookAgain
	}
	return look.View, nil
}

// gaveUp is the answer when archiving went on faster than we could look.
func gaveUp(cause error) error {
	e := errs.New(errs.Unavailable, errs.CodeUnavailable, "too busy to look this up; try again shortly").Wrap(cause)
	e.RetryAfter = retryAfter
	return e
}
