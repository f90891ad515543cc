package datacopy

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// service is the domain as the copier sees it.
func service() Service {
	return Service{Name: "shop", Archive: layout(), Account: func(ctx context.Context, state sidecar.State) (Account, error) {
		return AccountOf(ctx, "shop", machine{}, state, func(s *counters, totals map[string]int64) error {
			totals["live"] += int64(s.live.Len())
			s.live.Scan(func(_ string, c counter) bool { totals["count"] += int64(c.N); return true })
			return nil
		})
	}}
}

// replica is one process of the shop.
type replica struct {
	log    *journal.Journal[*counters]
	shop   *archive.Journal[*counters, counter]
	lists  *archive.List
	client *journaltest.Client
	cancel context.CancelFunc
	done   chan error
	once   sync.Once
	err    error
}

// settings of the shop's journals: a window that a test lives through many times.
func settings() journal.Config {
	return journal.Config{Service: "shop", Shards: 2, SnapshotEverySegments: 5, CommitWithin: time.Second, StaleAfter: 2 * time.Second,
		TrimAfter: 10 * time.Second, TrimEvery: 3 * time.Second, PollEvery: time.Second}
}

func launch(store *journaltest.Store, name string, faults journaltest.Faults, cfg journal.Config) (*replica, error) {
	client := store.Client(name, faults)
	log, err := journal.New(cfg, machine{}, journal.Deps{
		State: client, Writer: name, BeforeTrim: archive.NewCatalogue(client, *layout()).Keep,
	})
	if err != nil {
		return nil, err
	}
	r := &replica{log: log, client: client, lists: archive.NewList(client, "shop", "owner"), done: make(chan error, 2)}
	r.shop = archive.Wrap(log, archive.NewStore[counter](client, "shop", "counter"), func(s *counters) *archive.Index { return s.index })
	archiver, err := archive.NewArchiver(archive.Config{Kind: "counter", After: time.Second, Every: time.Second}, r.shop, archive.Rules[*counters, counter]{
		Finished: func(s *counters, before time.Time, limit int) (views []archive.View[counter]) {
			s.live.Scan(func(_ string, c counter) bool {
				if c.At < before.UnixNano() {
					views = append(views, archive.View[counter]{ID: c.ID, Shard: log.ShardOf(c.ID), Seq: c.Seq, Doc: c})
				}
				return len(views) < limit
			})
			return views
		},
		Listed: func(ctx context.Context, views []archive.View[counter]) error {
			for _, v := range views {
				if err := r.lists.Add(ctx, v.Doc.Owner, []archive.Entry{{ID: v.ID, At: time.Unix(0, v.Doc.First)}}); err != nil {
					return err
				}
			}
			return nil
		},
		Command: func(refs []archive.Ref) journal.Command { return file{refs} },
	}, archive.Deps{Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.done <- log.Run(ctx) }()
	go func() { r.done <- archiver.Run(ctx) }()
	return r, nil
}

// stop ends the replica in good order, once.
func (r *replica) stop() error {
	r.once.Do(func() {
		r.cancel()
		r.err = cmp.Or(<-r.done, <-r.done)
	})
	return r.err
}

// kill ends the replica as if its process had died.
func (r *replica) kill() {
	r.client.Cut()
	_ = r.stop()
}

// customers count: each has a counter that only it moves on, so what it was told is what must be there.
type customers struct {
	mu   sync.Mutex
	told map[string]int // by counter: the last count that was acknowledged
}

// one moves its counter on until stop is closed; a step is repeated until its answer is definite.
func (c *customers) one(id, owner string, every time.Duration, shop func() *replica, stop <-chan struct{}) error {
	for n := 1; ; n++ {
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			_, err := shop().shop.Do(ctx, id, count{ID: id, Owner: owner, Want: n})
			cancel()
			if err == nil {
				break
			}
			if errs.From(err).Kind != errs.Unavailable {
				return fmt.Errorf("%s at %d: %w", id, n, err)
			}
			select {
			case <-stop:
				return nil
			case <-time.After(100 * time.Millisecond):
			}
		}
		c.mu.Lock()
		c.told[id] = n
		c.mu.Unlock()
		select {
		case <-stop:
			return nil
		case <-time.After(every):
		}
	}
}

func ownerOf(i int) string { return fmt.Sprintf("owner %d", i%3) }

// check compares what customers were told with what a fresh start on the store finds, in memory, views and lists.
func (c *customers) check(store *journaltest.Store) error {
	fresh, err := launch(store, "fresh", journaltest.Faults{}, settings())
	if err != nil {
		return err
	}
	defer func() { _ = fresh.stop() }()
	select {
	case <-fresh.log.Loaded():
	case <-time.After(time.Minute):
		return fmt.Errorf("not served: %w", fresh.log.Ready())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx := context.Background()
	for id, n := range c.told {
		// A repeat gets its answer, and what was not acknowledged may be one further.
		if _, err := fresh.shop.Do(ctx, id, count{ID: id, Owner: "x", Want: n}); err != nil {
			return fmt.Errorf("%s was told %d: %w", id, n, err)
		}
		s := fresh.log.State(fresh.log.ShardOf(id))
		have, live := s.live.Get(id)
		if !live {
			entries, err := fresh.lists.Before(ctx, ownerOfID(id), archive.Entry{}, 1000)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(entries, func(e archive.Entry) bool { return e.ID == id }) {
				return fmt.Errorf("%s is archived and not in its owner's list", id)
			}
			continue
		}
		if have.N < n || have.N > n+1 {
			return fmt.Errorf("%s was told %d, there is %d", id, n, have.N)
		}
	}
	return nil
}

func ownerOfID(id string) string {
	var i int
	_, _ = fmt.Sscanf(id, "c%d", &i)
	return ownerOf(i)
}

// findable is every id that a store's catalogue and segments name.
func findable(store *journaltest.Store) (map[string]bool, error) {
	ids := map[string]bool{}
	client := store.Client("finder", journaltest.Faults{})
	for shard := range 2 {
		for n := 0; ; n++ {
			page, ok, err := archive.NewCatalogue(client, *layout()).Page(context.Background(), shard, n)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			for _, id := range page.IDs {
				ids[id] = true
			}
		}
	}
	for _, key := range store.Keys("shop/journal/") {
		var s journal.Segment
		if err := json.Unmarshal(store.Value(key), &s); err != nil {
			return nil, err
		}
		more, err := layout().IDs(s)
		if err != nil {
			return nil, err
		}
		for _, id := range more {
			ids[id] = true
		}
	}
	return ids, nil
}

// sameEverywhere compares what the target has with what the source had, key by key.
func sameEverywhere(source, target *journaltest.Store) error {
	found, err := findable(target)
	if err != nil {
		return err
	}
	for _, key := range source.Keys("shop/view/counter/") {
		id := strings.TrimPrefix(key, "shop/view/counter/")
		if found[id] && target.Value(key) == nil {
			return fmt.Errorf("view %s is not in the target", id)
		}
	}
	was, err := findable(source)
	if err != nil {
		return err
	}
	for id := range was {
		if !found[id] {
			return fmt.Errorf("the target's catalogue and segments do not name %s", id)
		}
	}
	return nil
}

// strict is a store whose calls fail once their context has ended, as those over a network do.
type strict struct{ sidecar.State }

func (s strict) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if ctx.Err() != nil {
		return sidecar.Item{}, ctx.Err()
	}
	return s.State.Get(ctx, key)
}

func (s strict) GetBulk(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return s.State.GetBulk(ctx, keys)
}

func newCopier(t require.TestingT, source, target sidecar.State) *Copier {
	c, err := New(Config{From: "a", To: "b", Services: []Service{service()}, Patience: 20 * time.Second}, strict{source}, strict{target})
	require.NoError(t, err)
	return c
}

func rest(d time.Duration) { <-time.After(d) }
