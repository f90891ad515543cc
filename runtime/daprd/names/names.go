// Package names is Dapr's nameresolution.sqlite, made to survive that others open the same new file.
//
// SQLite refuses all but one of those who make a new file ready at the same moment ("database is locked"), without the
// wait that it otherwise grants. contrib's component (v1.18.3) then fails to start, and Dapr logs that and goes on:
// such a sidecar looks healthy, and no other sidecar ever finds it (seen once in about 140 starts of a shop). Here a
// locked file is tried again, and a sidecar that cannot have its name in the end ends itself, so that whoever
// supervises it sees that.
//
// With a released daprd: start the sidecars again if calls to one of them are answered 500.
//
// In: the metadata and questions of nameresolution.sqlite. Out: its addresses and errors, as they are.
package names

import (
	"context"
	"strings"
	"time"

	"github.com/dapr/components-contrib/nameresolution"
	contrib "github.com/dapr/components-contrib/nameresolution/sqlite"
	"github.com/dapr/kit/logger"
)

// Others hold the lock for milliseconds, each.
const (
	initWithin = 10 * time.Second
	retryEvery = 50 * time.Millisecond
)

// resolver is contrib's once Init has succeeded; like that, it is not to be used before.
type resolver struct {
	nameresolution.Resolver
	construct func() nameresolution.Resolver
	log       logger.Logger
}

// New makes a resolver for daprd's registry.
func New(log logger.Logger) nameresolution.Resolver {
	return newResolver(log, func() nameresolution.Resolver { return contrib.NewResolver(log) })
}

func newResolver(log logger.Logger, construct func() nameresolution.Resolver) *resolver {
	return &resolver{Resolver: construct(), construct: construct, log: log}
}

// Init enters this sidecar's name, for as long as the file is locked again and again. If it cannot be entered, it ends
// the process.
func (r *resolver) Init(ctx context.Context, meta nameresolution.Metadata) error {
	err := r.init(ctx, meta)
	if err != nil {
		r.log.Fatalf("no other sidecar would find this one: its name cannot be entered: %s", err)
	}
	return err
}

func (r *resolver) init(ctx context.Context, meta nameresolution.Metadata) error {
	ctx, cancel := context.WithTimeout(ctx, initWithin)
	defer cancel()
	for {
		err := r.Resolver.Init(ctx, meta)
		if err == nil || !strings.Contains(err.Error(), "database is locked") {
			return err
		}
		r.log.Debugf("the file of names is locked; trying again: %s", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryEvery):
		}
		// A component is for one Init. What the former one has opened is closed; it had not registered yet.
		_ = r.Resolver.Close()
		r.Resolver = r.construct()
	}
}
