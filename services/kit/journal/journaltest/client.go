package journaltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Client is one process's connection to a Store: a sidecar.State with faults. It is safe for concurrent use.
type Client struct {
	store  *Store
	name   string
	faults Faults

	mu     sync.Mutex
	tries  map[string]int
	paused chan struct{} // closed by Resume; nil: not paused
	cut    chan struct{}
	once   sync.Once
}

var _ sidecar.State = (*Client)(nil)

// Client connects to the store under a name that the faults depend on.
func (s *Store) Client(name string, faults Faults) *Client {
	return &Client{store: s, name: name, faults: faults, tries: make(map[string]int), cut: make(chan struct{})}
}

// Cut ends the connection for ever: calls fail with ErrCut and those under way get no reply. Late writes still land.
func (c *Client) Cut() { c.once.Do(func() { close(c.cut) }) }

// Pause stops the client as SIGSTOP stops a process: calls, whatever their deadline, stand still before or after their
// work until Resume. A write that stood still before its work lands when the client goes on.
func (c *Client) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused == nil {
		c.paused = make(chan struct{})
	}
}

// Resume lets the client go on.
func (c *Client) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused != nil {
		close(c.paused)
		c.paused = nil
	}
}

// stand waits while the client is paused.
func (c *Client) stand() {
	for {
		c.mu.Lock()
		paused := c.paused
		c.mu.Unlock()
		if paused == nil {
			return
		}
		<-paused
	}
}

// do runs work with the fate that the call was dealt.
func (c *Client) do(ctx context.Context, op, key string, work func() error) error {
	c.stand()
	defer c.stand()
	return c.suffer(ctx, op, key, work)
}

// suffer is do of a client that is not paused.
func (c *Client) suffer(ctx context.Context, op, key string, work func() error) error {
	select {
	case <-c.cut:
		return ErrCut
	default:
	}
	c.mu.Lock()
	nth := c.tries[op+" "+key]
	c.tries[op+" "+key]++
	f := c.faults.decide(c.name, op, key, nth)
	c.mu.Unlock()
	switch f.fault {
	case FailBefore:
		return fmt.Errorf("%w before %s %s", ErrInjected, op, key)
	case FailAfter:
		_ = work()
		return fmt.Errorf("%w after %s %s", ErrInjected, op, key)
	case PlainConflict:
		if err := work(); errors.Is(err, sidecar.ErrConflict) {
			return errPlain
		} else if err != nil {
			return err
		}
		return nil
	case Delay:
		if err := c.wait(ctx, f.wait); err != nil {
			return err
		}
		c.stand()
	case StallLost:
		return c.stall(ctx)
	case StallLate:
		err := c.stall(ctx)
		if op != OpGet && op != OpGetBulk {
			time.AfterFunc(f.wait, func() { _ = work() })
		}
		return err
	}
	return work() // also when ctx has ended meanwhile: that is how a paused process's write lands late
}

func (c *Client) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.cut:
		return ErrCut
	}
}

func (c *Client) stall(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.cut:
		return ErrCut
	}
}

// Get implements sidecar.State.
func (c *Client) Get(ctx context.Context, key string) (sidecar.Item, error) {
	var got sidecar.Item
	err := c.do(ctx, OpGet, key, func() error { got, _ = c.store.get(key); return nil })
	if err != nil {
		return sidecar.Item{}, err
	}
	return got, nil
}

// GetBulk implements sidecar.State. It reads key by key, not at one instant, as the real ones do.
func (c *Client) GetBulk(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if len(keys) > sidecar.MaxBulkKeys {
		return nil, fmt.Errorf("journaltest: %d keys are over the bound of a bulk read", len(keys))
	}
	if len(keys) == 0 {
		return map[string]sidecar.Item{}, nil
	}
	got := make(map[string]sidecar.Item, len(keys))
	err := c.do(ctx, OpGetBulk, keys[0], func() error {
		for _, k := range keys {
			if it, ok := c.store.get(k); ok {
				got[k] = it
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// Create implements sidecar.State.
func (c *Client) Create(ctx context.Context, key string, value []byte) error {
	return c.do(ctx, OpCreate, key, func() error { return c.store.create(key, value) })
}

// Replace implements sidecar.State.
func (c *Client) Replace(ctx context.Context, key string, value []byte, etag string) error {
	return c.do(ctx, OpReplace, key, func() error { return c.store.replace(key, value, etag) })
}

// Delete implements sidecar.State.
func (c *Client) Delete(ctx context.Context, key string) error {
	return c.do(ctx, OpDelete, key, func() error { c.store.remove(key); return nil })
}
