package latebroker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dapr/components-contrib/pubsub"
	"github.com/dapr/kit/logger"
)

const (
	// firstWithin bounds the first attempt, and each later one by attemptWithin: a component may wait for its broker by itself.
	firstWithin   = 3 * time.Second
	attemptWithin = 10 * time.Second
	retryEvery    = time.Second
	warnEvery     = 30 * time.Second
)

// errAway answers publications until the broker is there.
var errAway = errors.New("the broker has not answered since this sidecar started; it is tried again every second")

// Wrap makes the constructor of a component one whose Init does not insist on a broker. What it makes may be used from any goroutine.
func Wrap(construct func(logger.Logger) pubsub.PubSub) func(logger.Logger) pubsub.PubSub {
	return func(log logger.Logger) pubsub.PubSub {
		return newPubSub(log, func() pubsub.PubSub { return construct(log) }, retryEvery)
	}
}

type pubSub struct {
	// PubSub answers what does not depend on a connection.
	pubsub.PubSub
	log        logger.Logger
	construct  func() pubsub.PubSub
	retryEvery time.Duration
	meta       pubsub.Metadata

	stop    context.CancelFunc // nil: nothing to stop
	joining sync.WaitGroup

	// changing is held while subscriptions are made, and may be held across calls to the broker; mu guards the fields and never is.
	changing sync.Mutex
	mu       sync.Mutex
	current  pubsub.PubSub // nil until the broker has answered
	kept     []subscription
}

type subscription struct {
	ctx     context.Context
	request pubsub.SubscribeRequest
	handler pubsub.Handler
}

func newPubSub(log logger.Logger, construct func() pubsub.PubSub, retryEvery time.Duration) *pubSub {
	return &pubSub{PubSub: construct(), log: log, construct: construct, retryEvery: retryEvery}
}

// Init connects if the broker answers; if it is away, it goes on trying in the background and gives no error.
func (p *pubSub) Init(ctx context.Context, meta pubsub.Metadata) error {
	p.meta = meta
	first, cancel := context.WithTimeout(ctx, firstWithin)
	defer cancel()
	next := p.construct()
	err := next.Init(first, meta)
	if err == nil {
		p.current = next
		return nil
	}
	if ctx.Err() != nil || !away(err) {
		return err
	}
	p.log.Warnf("going on without the broker, which is tried again every %s: %s", p.retryEvery, err)
	// Init's own context ends with Init.
	joinCtx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.joining.Go(func() { p.join(joinCtx) })
	return nil
}

// join tries until the broker is there, or ctx ends.
func (p *pubSub) join(ctx context.Context) {
	tick := time.NewTicker(p.retryEvery)
	defer tick.Stop()
	warned := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := p.attempt(ctx)
		if err == nil {
			p.log.Info("the broker is there")
			return
		}
		if time.Since(warned) >= warnEvery {
			warned = time.Now()
			p.log.Warnf("still without the broker: %s", err)
		}
	}
}

// attempt makes a connection with every subscription that was kept. On an error everything is as it was.
func (p *pubSub) attempt(ctx context.Context) error {
	initCtx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	next := p.construct()
	if err := next.Init(initCtx, p.meta); err != nil {
		return err
	}
	// From here on Subscribe waits: what it adds is either in kept or meets the connection.
	p.changing.Lock()
	defer p.changing.Unlock()
	p.mu.Lock()
	kept := p.kept
	p.mu.Unlock()
	for _, s := range kept {
		if s.ctx.Err() != nil {
			continue // it has ended meanwhile
		}
		if err := next.Subscribe(s.ctx, s.request, s.handler); err != nil {
			return errors.Join(fmt.Errorf("subscribe to %s: %w", s.request.Topic, err), next.Close())
		}
	}
	p.mu.Lock()
	p.current, p.kept = next, nil
	p.mu.Unlock()
	return nil
}

// Publish is the component's.
func (p *pubSub) Publish(ctx context.Context, req *pubsub.PublishRequest) error {
	current := p.connected()
	if current == nil {
		return errAway
	}
	return current.Publish(ctx, req)
}

// BulkPublish is the component's; Dapr asks for it only if Features says that there is one.
func (p *pubSub) BulkPublish(ctx context.Context, req *pubsub.BulkPublishRequest) (pubsub.BulkPublishResponse, error) {
	bulk, ok := p.connected().(pubsub.BulkPublisher)
	if !ok {
		return pubsub.NewBulkPublishResponse(req.Entries, errAway), errAway
	}
	return bulk.BulkPublish(ctx, req)
}

// Subscribe is the component's, later if the broker is away.
func (p *pubSub) Subscribe(ctx context.Context, req pubsub.SubscribeRequest, handler pubsub.Handler) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	if current := p.connected(); current != nil {
		return current.Subscribe(ctx, req, handler)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = slices.DeleteFunc(p.kept, func(s subscription) bool { return s.ctx.Err() != nil }) // an app that came and went
	p.kept = append(p.kept, subscription{ctx: ctx, request: req, handler: handler})
	return nil
}

// Close ends the attempts, every subscription and the connection.
func (p *pubSub) Close() error {
	if p.stop != nil {
		p.stop()
		p.joining.Wait()
	}
	if current := p.connected(); current != nil {
		return current.Close()
	}
	return nil
}

func (p *pubSub) connected() pubsub.PubSub {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// signs of a broker that is away, in errors that keep no other trace of their cause.
var signs = []string{"connection refused", "connection reset", "broken pipe", "i/o timeout", "deadline exceeded", "no such host", "EOF",
	"LOADING", "MASTERDOWN", // a Redis that is reading its file, or has lost the one it copies
	"no servers available", "run out of available brokers"}

// away reports whether an error says that nobody answers, and not that something is wrong with the metadata.
func away(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	for _, sign := range signs {
		if strings.Contains(err.Error(), sign) {
			return true
		}
	}
	return false
}
