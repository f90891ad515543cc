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
// If asked to (Life.ReadyPath), a sidecar enters its name only when its app is ready, as a pod does its Service in Kubernetes:
// contrib's does when it starts, so that calls come to a replica that still loads.
//
// With a released daprd: start the sidecars again if calls to one of them are answered 500; while a replica ends, calls to it
// are answered 503 and may be repeated.
//
// In: the metadata and questions of nameresolution.sqlite. Out: its addresses and errors, as they are.
package names

import (
	"context"
	"fmt"
	"net/http"
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
	askEvery   = 20 * time.Millisecond // whether the app is ready
	askWithin  = time.Second
)

// What the name of a sidecar ends in that is not to be found yet, or not any more; no app id has a space.
const (
	starting = " (starting)"
	leaving  = " (leaving)"
)

// Life says from when until when a sidecar is to be found.
type Life struct {
	Ending    <-chan struct{} // closed when it is told to end; nil: never before Close
	ReadyPath string          // of the app, which answers 200 when it is ready; "": from the start
	AppToken  string          // what the app wants to be shown
}

// resolver is contrib's once Init has succeeded; like that, it is not to be used before.
type resolver struct {
	construct func() nameresolution.Resolver
	log       logger.Logger
	life      Life
	closing   chan struct{}
	once      sync.Once
	left      sync.WaitGroup

	mu      sync.RWMutex // held for writing while the component is exchanged
	contrib nameresolution.Resolver
}

// New makes resolvers for daprd's registry.
func New(life Life) func(logger.Logger) nameresolution.Resolver {
	return func(log logger.Logger) nameresolution.Resolver {
		return newResolver(log, life, func() nameresolution.Resolver { return contrib.NewResolver(log) })
	}
}

func newResolver(log logger.Logger, life Life, construct func() nameresolution.Resolver) *resolver {
	return &resolver{contrib: construct(), construct: construct, log: log, life: life, closing: make(chan struct{})}
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

// Init opens the file for as long as it is locked again and again, and enters this sidecar's name, at once or when its app is
// ready. If the file cannot be opened, it ends the process.
func (r *resolver) Init(ctx context.Context, meta nameresolution.Metadata) error {
	wait := r.life.ReadyPath != "" && meta.Instance.AppPort != 0
	first := meta
	if wait {
		first.Instance.AppID += starting
	}
	err := r.init(ctx, first)
	if err != nil {
		r.log.Fatalf("no other sidecar would find this one: its name cannot be entered: %s", err)
	}
	r.left.Go(func() {
		if wait && r.appIsReady(meta.Instance.AppPort) {
			r.rename(meta)
		}
		select {
		case <-r.life.Ending:
			meta.Instance.AppID += leaving
			r.rename(meta)
		case <-r.closing:
		}
	})
	return err
}

// appIsReady waits for it; false when this sidecar ends first.
func (r *resolver) appIsReady(port int) bool {
	client := &http.Client{Timeout: askWithin}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, r.life.ReadyPath), nil)
		if err != nil {
			r.log.Fatalf("whether the app is ready cannot be asked: %s", err)
		}
		req.Header.Set("dapr-api-token", r.life.AppToken)
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-tick.C:
		case <-r.life.Ending:
			return false
		case <-r.closing:
			return false
		}
	}
}

// rename changes this sidecar's name. A component cannot do that, so that another one takes its place; who asks for an address
// meanwhile waits for some milliseconds.
func (r *resolver) rename(meta nameresolution.Metadata) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.contrib.Close(); err != nil {
		r.log.Warnf("the former name may be handed out until it is too old: %s", err)
	}
	r.contrib = r.construct()
	if err := r.init(context.Background(), meta); err != nil {
		r.log.Fatalf("other sidecars can be found no more, nor this one as %q: %s", meta.Instance.AppID, err)
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
