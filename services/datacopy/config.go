package datacopy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Service is one service whose data is moved.
type Service struct {
	Name    string
	Archive *archive.Layout // nil when it archives nothing
	// Account loads the service's journal from a store and says what it comes to; it writes nothing. An error also says that
	// what it found breaks a rule of the service, such as the conservation of stock.
	Account func(ctx context.Context, state sidecar.State) (Account, error)
}

// Account is what a service's journal in a store comes to. Accounts of equal states are equal.
type Account struct {
	Shards []ShardAccount   `json:"shards"`
	Totals map[string]int64 `json:"totals"` // for people: units in stock, orders by status
}

// ShardAccount is the part of one shard.
type ShardAccount struct {
	Head    uint64 `json:"head"`
	Records int    `json:"records"` // of a snapshot of it
	Digest  string `json:"digest"`  // of these
}

// Config says what is moved. Zero fields but Services get the default that is named.
type Config struct {
	From, To string // names of the two sets, for people
	Services []Service
	// Patience is how long a store may fail without a break before the run gives up; default 1 min.
	Patience time.Duration
	// AccountWithin bounds loading both stores for the comparison; default 5 min.
	AccountWithin time.Duration
	Now           func() time.Time
	// Progress, if given, is called often and from several goroutines; it must be quick.
	Progress func(Progress)
}

// Bounds that no move has asked to change.
const (
	maxParallelShards = 4
	maxParallelReads  = 8
	maxParallelWrites = 8
	bulkKeys          = 32  // of segments or chunks: 32 full values are 8 MiB
	batchSegments     = 128 // between two notes of progress
	batchViews        = 50
	maxPasses         = 20 // over all shards before they are closed, however much is new
	callWithin        = 10 * time.Second
	shortPass         = time.Second // what came during a pass is what the pause has to copy: closing is worth it
	refreshSegments   = 2000        // a start applies about as many in a second
	firstBackOff      = 5 * time.Millisecond
	maxBackOff        = time.Second
	maxNamedMissing   = 20
)

// Copier moves data. Make it with New; Plan, Run and Undo are for one goroutine.
type Copier struct {
	cfg    Config
	source sidecar.State
	target sidecar.State
	writer string // of the segments that this run appends
	totals totals
}

// New checks cfg and touches neither store.
func New(cfg Config, source, target sidecar.State) (*Copier, error) {
	var wrong []error
	if len(cfg.Services) == 0 {
		wrong = append(wrong, errors.New("datacopy: Services is empty"))
	}
	for _, s := range cfg.Services {
		if s.Name == "" || s.Account == nil {
			wrong = append(wrong, fmt.Errorf("datacopy: service %q lacks its Name or Account", s.Name))
		}
	}
	if cfg.Patience < 0 || cfg.AccountWithin < 0 {
		wrong = append(wrong, errors.New("datacopy: Patience and AccountWithin must not be negative"))
	}
	if source == nil || target == nil {
		wrong = append(wrong, errors.New("datacopy: a store is missing"))
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("datacopy: %w", err)
	}
	if cfg.Patience == 0 {
		cfg.Patience = time.Minute
	}
	if cfg.AccountWithin == 0 {
		cfg.AccountWithin = 5 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Copier{cfg: cfg, source: source, target: target, writer: "copy-" + id.String()}, nil
}
