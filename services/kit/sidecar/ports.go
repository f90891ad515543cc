package sidecar

import (
	"context"
	"errors"
	"strconv"
)

// ErrConflict says that a conditional write was refused because the key was not as the condition said. Several
// stores report a conflict as a plain error (Redis and Postgres through Dapr do), so the absence of ErrConflict
// proves nothing: after any error of a conditional write, read the key back.
var ErrConflict = errors.New("sidecar: key is not as the condition says")

// Item is a stored value with the version tag that a Replace must name.
type Item struct {
	Value []byte // nil when the key does not exist
	ETag  string
}

// State is what sidecart asks of a state store. Values are JSON documents of at most MaxValueBytes. Reads are
// strong. All methods are safe for concurrent use. An error of a write leaves its outcome unknown.
type State interface {
	// Get reads one key; a key that does not exist gives an Item with a nil Value and no error.
	Get(ctx context.Context, key string) (Item, error)
	// GetBulk reads many keys (at most MaxBulkKeys); keys that do not exist are missing from the map.
	GetBulk(ctx context.Context, keys []string) (map[string]Item, error)
	// Create writes key only if it does not exist (first-write concurrency, no ETag).
	Create(ctx context.Context, key string, value []byte) error
	// Replace writes key only if its ETag is still etag.
	Replace(ctx context.Context, key string, value []byte, etag string) error
	// Delete removes key, whatever it holds; removing an absent key is no error.
	Delete(ctx context.Context, key string) error
}

// Bounds of the State port.
const (
	MaxValueBytes = 256 << 10
	MaxBulkKeys   = 100
)

// ErrUnheard is a Publisher's error for an event that it did not give to the broker because nobody there would hear of it. Nothing is
// wrong, and nothing was learned of the broker either.
var ErrUnheard = errors.New("sidecar: nobody would hear of it")

// Publisher hands events to the broker. A nil error says that the broker took the event, which promises
// nothing about its delivery: followers repair losses from the journal.
type Publisher interface {
	// Publish sends data (a JSON document) on topic as a CloudEvent with the given id, type and source.
	Publish(ctx context.Context, topic string, event CloudEvent) error
}

// CloudEvent is the part of a CloudEvents 1.0 envelope that sidecart sets or reads.
type CloudEvent struct {
	ID          string
	Type        string
	Source      string
	TraceParent string
	Shares      string // what each of several brokers is given (package delivery); travels as the extension sidecartshares
	Data        []byte // a JSON document
}

// Bindings calls the outside world through output bindings.
type Bindings interface {
	// Invoke runs operation on the binding name. A *BindingError says that the other side answered with a
	// failure, ErrCircuitOpen that nothing was sent; any other error leaves the outcome unknown.
	Invoke(ctx context.Context, name, operation string, data []byte, metadata map[string]string) (BindingResult, error)
}

// ErrCircuitOpen says that the sidecar sends nothing to the other side for now, because that did not answer lately.
var ErrCircuitOpen = errors.New("the circuit breaker of the sidecar is open")

// BindingResult is what a binding answered.
type BindingResult struct {
	Data     []byte
	Metadata map[string]string
}

// BindingError is a definite answer of the other side that is not a success.
type BindingError struct {
	Binding string
	Status  int    // HTTP status of the answer where the binding speaks HTTP, else 0
	Data    []byte // the body of the answer, if there was one
}

// Error names the binding and the status, never the body.
func (e *BindingError) Error() string {
	return "binding " + e.Binding + " answered with status " + strconv.Itoa(e.Status)
}
