package host

import (
	"context"
	"fmt"
	"sync"
)

// gate lets requests in until it is closed, and then waits for those that are inside. It is safe for concurrent use.
type gate struct {
	mu     sync.Mutex
	closed bool
	inside int
	empty  chan struct{} // closed once the gate is and nobody is inside
}

func newGate() *gate { return &gate{empty: make(chan struct{})} }

// enter is false when the gate is closed; otherwise leave must follow.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.closed && g.inside == 0 {
		close(g.empty)
	}
}

// close lets nobody in any more and waits until nobody is inside, or ctx ends. Call it once.
func (g *gate) close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	if g.inside == 0 {
		close(g.empty)
	}
	g.mu.Unlock()
	select {
	case <-g.empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("requests under way did not end: %w", ctx.Err())
	}
}
