package mail

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// limits of a pool.
type limits struct {
	connections int           // open at a time; further mails wait
	mails       int           // on one connection: servers bound them, too
	idle        time.Duration // that a connection waits for its next mail
}

// usual limits: Postfix opens 20 connections to one destination, nodemailer
// sends 100 mails on one. Idle ones go soon: a server has few to give, and in a
// rush none is idle for long.
var usual = limits{connections: 20, mails: 100, idle: 5 * time.Second}

// pool keeps connections for the mails to come. Of those that wait, the one
// used last is used next, so that after a rush the others can go.
//
// No RSET or NOOP asks whether a connection still lives: RFC 5321 (4.1.1.4) has
// a server forget a mail that it took, MAIL shows as well what became of the
// connection, and one that was not taken leaves no connection behind.
type pool struct {
	limits limits
	dial   func(context.Context) (*conn, error)
	slots  chan struct{} // one for each mail under way

	mu       sync.Mutex
	idle     []*conn
	closed   bool
	goodbyes sync.WaitGroup // under way, for which no mail waits
}

func newPool(l limits, dial func(context.Context) (*conn, error)) *pool {
	return &pool{limits: l, dial: dial, slots: make(chan struct{}, l.connections)}
}

// send hands l over. A kept connection that turns out to be lost before the
// text is sent is replaced once by a fresh one; nothing else is tried again.
func (p *pool) send(ctx context.Context, l letter) error {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return fmt.Errorf("%w, waiting for one of %d connections", context.Cause(ctx), p.limits.connections)
	}
	if c := p.take(); c != nil {
		begun, err := p.sendOn(ctx, c, l)
		if err == nil || begun || !lost(err) || ctx.Err() != nil {
			return err
		}
	}
	c, err := p.dial(ctx)
	if err != nil {
		return err
	}
	_, err = p.sendOn(ctx, c, l)
	return err
}

// sendOn uses c and keeps it if all went well.
func (p *pool) sendOn(ctx context.Context, c *conn, l letter) (begun bool, err error) {
	begun, err = c.send(ctx, l)
	if err != nil {
		c.drop()
		return begun, err
	}
	p.keep(c)
	return begun, nil
}

// take is a connection that waits, or nil.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	c.expire.Stop() // too late: retire does not find it
	return c
}

// keep has c wait for the next mail, or ends it.
func (p *pool) keep(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case c.spent, p.closed: // close waits for no goodbye that begins after it
		c.drop()
	case c.mails >= p.limits.mails:
		p.goodbyes.Go(c.quit)
	default:
		p.idle = append(p.idle, c)
		c.expire = time.AfterFunc(p.limits.idle, func() { p.retire(c) })
	}
}

// retire ends c if nobody has taken it.
func (p *pool) retire(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.idle, c); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
		p.goodbyes.Go(c.quit)
	}
}

// close ends the connections that wait, and those of mails under way when these are sent.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, c := range p.idle {
		c.expire.Stop() // too late: retire does not find it
		p.goodbyes.Go(c.quit)
	}
	p.idle = nil
	p.mu.Unlock()
	p.goodbyes.Wait()
}
