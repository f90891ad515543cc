package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dapr/components-contrib/pubsub"
	contrib "github.com/dapr/components-contrib/pubsub/jetstream"
	"github.com/dapr/kit/logger"
	"github.com/nats-io/nats.go"
)

const (
	// How often the connection is looked at, and how long after its loss for
	// good an app may go without messages, at most, once the broker is back.
	checkEvery = 10 * time.Second

	// How often Init tries to reach a broker that is not there.
	initRetryEvery = 250 * time.Millisecond

	// Bounds one attempt to put a new connection in the place of a closed one.
	replaceWithin = 10 * time.Second

	// No stream has this subject. Publishing to it stores nothing and tells a
	// living connection ("no response from stream") from a closed one: the
	// component shows no other sign.
	probeTopic = "sidecart-connection-probe"
)

// New returns the component; Init makes it usable. Its methods may be called
// from any goroutine.
func New(log logger.Logger) pubsub.PubSub {
	return newPubSub(log, func() pubsub.PubSub { return contrib.NewJetStream(log) }, checkEvery)
}

type pubSub struct {
	// PubSub answers what does not depend on a connection.
	pubsub.PubSub
	log        logger.Logger
	construct  func() pubsub.PubSub
	checkEvery time.Duration
	meta       pubsub.Metadata

	// replacing is held while the connection or the subscriptions change, and
	// may be held across calls to NATS; mu guards the fields and never is.
	replacing sync.Mutex
	mu        sync.Mutex
	current   pubsub.PubSub
	subs      map[*subscription]struct{}

	stopWatch context.CancelFunc
	watching  sync.WaitGroup
}

type subscription struct {
	ctx     context.Context
	request pubsub.SubscribeRequest
	handler pubsub.Handler
}

func newPubSub(log logger.Logger, construct func() pubsub.PubSub, checkEvery time.Duration) *pubSub {
	return &pubSub{
		PubSub:     construct(),
		log:        log,
		construct:  construct,
		checkEvery: checkEvery,
		subs:       make(map[*subscription]struct{}),
	}
}

// Init connects, waiting for the broker until ctx ends. What is wrong with
// meta itself is reported at once.
func (p *pubSub) Init(ctx context.Context, meta pubsub.Metadata) error {
	p.meta = meta
	first := p.construct()
	err := first.Init(ctx, meta)
	for said := false; errors.Is(err, nats.ErrNoServers); {
		if !said {
			p.log.Warnf("no broker yet, trying again until the component's initTimeout: %s", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(initRetryEvery):
		}
		first = p.construct()
		err = first.Init(ctx, meta)
	}
	if err != nil {
		return err
	}
	p.current = first

	// The watch ends with Close. Init's own context ends with Init.
	watchCtx, stop := context.WithCancel(context.Background())
	p.stopWatch = stop
	p.watching.Go(func() { p.watch(watchCtx) })
	return nil
}

// Publish is contrib's.
func (p *pubSub) Publish(ctx context.Context, req *pubsub.PublishRequest) error {
	return p.connection().Publish(ctx, req)
}

// Subscribe is contrib's, and lasts over replaced connections until ctx ends.
func (p *pubSub) Subscribe(ctx context.Context, req pubsub.SubscribeRequest, handler pubsub.Handler) error {
	p.replacing.Lock()
	defer p.replacing.Unlock()
	if err := p.connection().Subscribe(ctx, req, handler); err != nil {
		return err
	}
	sub := &subscription{ctx: ctx, request: req, handler: handler}
	p.mu.Lock()
	p.subs[sub] = struct{}{}
	p.mu.Unlock()
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		delete(p.subs, sub)
		p.mu.Unlock()
	})
	return nil
}

// Close ends every subscription and the connection.
func (p *pubSub) Close() error {
	if p.stopWatch == nil {
		return nil // Init never succeeded
	}
	p.stopWatch()
	p.watching.Wait()
	return p.connection().Close()
}

func (p *pubSub) connection() pubsub.PubSub {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// watch replaces the connection whenever it finds it closed.
func (p *pubSub) watch(ctx context.Context) {
	tick := time.NewTicker(p.checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		probe := &pubsub.PublishRequest{Topic: probeTopic, Data: []byte(`{"id":"` + probeTopic + `"}`)}
		if err := p.connection().Publish(ctx, probe); !errors.Is(err, nats.ErrConnectionClosed) {
			continue
		}
		if err := p.replace(ctx); err != nil {
			p.log.Warnf("the connection to NATS is closed and there is no other yet: %s", err)
		}
	}
}

// replace makes a new connection, moves the subscriptions to it and lets the
// closed one go. On an error everything is as it was.
func (p *pubSub) replace(ctx context.Context) error {
	p.replacing.Lock()
	defer p.replacing.Unlock()
	initCtx, cancel := context.WithTimeout(ctx, replaceWithin)
	defer cancel()
	next := p.construct()
	if err := next.Init(initCtx, p.meta); err != nil {
		return err
	}
	subs := p.subscriptions()
	for _, sub := range subs {
		if err := next.Subscribe(sub.ctx, sub.request, sub.handler); err != nil {
			return errors.Join(fmt.Errorf("subscribe to %s: %w", sub.request.Topic, err), next.Close())
		}
	}
	p.mu.Lock()
	closed := p.current
	p.current = next
	p.mu.Unlock()
	// It is closed already and says so; its subscriptions end by this.
	_ = closed.Close()
	p.log.Infof("the connection to NATS was closed for good; a new one has taken its place, with %d subscriptions", len(subs))
	return nil
}

func (p *pubSub) subscriptions() []*subscription {
	p.mu.Lock()
	defer p.mu.Unlock()
	subs := make([]*subscription, 0, len(p.subs))
	for sub := range p.subs {
		subs = append(subs, sub)
	}
	return subs
}
