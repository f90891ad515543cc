// Package names is Dapr's nameresolution.sqlite, made to survive that others open the same new file, and to give a sidecar's
// name back as soon as it is told to end.
//
// SQLite refuses all but one of those who make a new file ready at the same moment ("database is locked"), without the
// wait that it otherwise grants. contrib's component (v1.18.3) then fails to start, and Dapr logs that and goes on:
// such a sidecar looks healthy, and no other sidecar ever finds it (seen once in about 140 starts of a shop). Here a
// locked file is tried again, and a sidecar that cannot have its name in the end ends itself, so that whoever
// supervises it sees that.
//
// contrib's gives the name back when everything else has ended. With --dapr-block-shutdown-duration that is when the app has
// ended, and until then a fair share of all calls would still be sent to a replica that goes away. In Kubernetes the endpoints
// lose a pod at that moment; here its name leaves the table, and the sidecar can still find the others.
//
// With a released daprd: start the sidecars again if calls to one of them are answered 500; while a replica ends, calls to it
// are answered 503 and may be repeated.
//
// In: the metadata and questions of nameresolution.sqlite. Out: its addresses and errors, as they are.
package names

import (
	"context"
	"strings"
	"sync"
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

// leaving is what the name of a sidecar that goes away ends in; no app id has a space.
const leaving = " (leaving)"

// resolver is contrib's once Init has succeeded; like that, it is not to be used before.
type resolver struct {
	construct func() nameresolution.Resolver
	log       logger.Logger
	leave     <-chan struct{}
	closing   chan struct{}
	once      sync.Once
	left      sync.WaitGroup

	mu      sync.RWMutex // held for writing while the component is exchanged
	contrib nameresolution.Resolver
}

// New makes resolvers for daprd's registry. They give their names back when leave is closed.
func New(leave <-chan struct{}) func(logger.Logger) nameresolution.Resolver {
	return func(log logger.Logger) nameresolution.Resolver {
		return newResolver(log, leave, func() nameresolution.Resolver { return contrib.NewResolver(log) })
	}
}

func newResolver(log logger.Logger, leave <-chan struct{}, construct func() nameresolution.Resolver) *resolver {
	return &resolver{contrib: construct(), construct: construct, log: log, leave: leave, closing: make(chan struct{})}
}

// ResolveID gives an address of an app, any of those that have its name.
func (r *resolver) ResolveID(ctx context.Context, req nameresolution.ResolveRequest) (string, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.contrib.ResolveID(ctx, req)
}

// Close gives the name back, if that has not happened yet, and closes the file.
func (r *resolver) Close() error {
	r.once.Do(func() { close(r.closing) })
	r.left.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.contrib.Close()
}

// Init enters this sidecar's name, for as long as the file is locked again and again. If it cannot be entered, it ends
// the process.
func (r *resolver) Init(ctx context.Context, meta nameresolution.Metadata) error {
	err := r.init(ctx, meta)
	if err != nil {
		r.log.Fatalf("no other sidecar would find this one: its name cannot be entered: %s", err)
	}
	r.left.Go(func() {
		select {
		case <-r.leave:
			r.goAway(meta)
		case <-r.closing:
		}
	})
	return err
}

// goAway gives the name back. A component cannot do that and still find others, so that another one takes its place, under a
// name that nobody asks for; who asks meanwhile waits for some milliseconds.
func (r *resolver) goAway(meta nameresolution.Metadata) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.contrib.Close(); err != nil {
		r.log.Warnf("the name may be handed out until it is too old: %s", err)
	}
	r.contrib = r.construct()
	meta.Instance.AppID += leaving
	if err := r.init(context.Background(), meta); err != nil {
		r.log.Warnf("other apps cannot be found any more: %s", err)
	}
}

// init is called by one goroutine at a time.
func (r *resolver) init(ctx context.Context, meta nameresolution.Metadata) error {
	ctx, cancel := context.WithTimeout(ctx, initWithin)
	defer cancel()
	for {
		err := r.contrib.Init(ctx, meta)
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
		_ = r.contrib.Close()
		r.contrib = r.construct()
	}
}
