package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Layout says where a service keeps the archived aggregates of a kind, and how they can all be found although no store
// lists its keys: those whose archived event still stands in a segment are named by that, the others by the Catalogue.
type Layout struct {
	Service, Kind string
	// Archived gives the ids that an event archived; none for any other event.
	Archived func(r journal.Record) ([]string, error)
	// Lists is the kind of the lists that the views are in; "" when there are none. Owner says whose list a view's
	// document is in.
	Lists string
	Owner func(doc jsontext.Value) (string, error)
}

// Naming makes a Layout's Archived from the type of the archived event.
func Naming[E journal.Event](ids func(E) []string) func(journal.Record) ([]string, error) {
	return func(r journal.Record) ([]string, error) {
		var e E
		if r.Type != e.EventType() {
			return nil, nil
		}
		if err := json.Unmarshal(r.Data, &e); err != nil {
			return nil, fmt.Errorf("archive: event %q: %w", r.Type, err)
		}
		return ids(e), nil
	}
}

// ViewKey is the key of a view.
func (l Layout) ViewKey(id string) string { return viewPrefix(l.Service, l.Kind) + id }

// ListKey is the key of an owner's list.
func (l Layout) ListKey(owner string) string { return NewList(nil, l.Service, l.Lists).ownerKey(owner) }

// IDs gives what a segment's events archived.
func (l Layout) IDs(s journal.Segment) ([]string, error) {
	var all []string
	for _, r := range s.Events {
		ids, err := l.Archived(r)
		if err != nil {
			return nil, fmt.Errorf("segment %s/%d/%d: %w", s.Service, s.Shard, s.Seq, err)
		}
		all = append(all, ids...)
	}
	return all, nil
}

// CataloguePage is the value of {service}/archived/{kind}/{shard}/{n}. Pages are numbered from 0 without gaps and never
// change. Every id that was archived by a segment up to Through is in this page or one before it.
type CataloguePage struct {
	Version int      `json:"version"`
	Through uint64   `json:"through"`
	IDs     []string `json:"ids"`
}

// CatalogueVersion is the layout that this code writes.
const CatalogueVersion = 1

const (
	// maxPageIDBytes bounds the ids of a page, each with its quotes and comma. A segment's ids are never divided, and all
	// that one segment can hold fit into a value.
	maxPageIDBytes = 150_000
	maxKeepTries   = 16
)

// Catalogue names the archived aggregates whose archived events were trimmed. Its Keep is a journal's BeforeTrim. Safe
// for concurrent use, also by several replicas.
type Catalogue struct {
	state  sidecar.State
	layout Layout

	mu    sync.Mutex
	pages map[int]int // by shard: how many pages there are at least
}

// NewCatalogue makes the Catalogue of a kind.
func NewCatalogue(state sidecar.State, layout Layout) *Catalogue {
	return &Catalogue{state: state, layout: layout, pages: make(map[int]int)}
}

// Key is the key of a page.
func (c *Catalogue) Key(shard, n int) string {
	return c.layout.Service + "/archived/" + c.layout.Kind + "/" + strconv.Itoa(shard) + "/" + strconv.Itoa(n)
}

// Page reads a page; ok is false when there is none of that number yet.
func (c *Catalogue) Page(ctx context.Context, shard, n int) (page CataloguePage, ok bool, err error) {
	item, err := c.state.Get(ctx, c.Key(shard, n))
	if err != nil || item.Value == nil {
		return CataloguePage{}, false, err
	}
	page, err = c.Decode(shard, n, item.Value)
	return page, err == nil, err
}

// Decode reads the value of a page.
func (c *Catalogue) Decode(shard, n int, value []byte) (CataloguePage, error) {
	var page CataloguePage
	if err := json.Unmarshal(value, &page); err != nil {
		return page, fmt.Errorf("archive: catalogue page %s cannot be read: %w; restore this key from a backup", c.Key(shard, n), err)
	}
	if page.Version != CatalogueVersion {
		return page, fmt.Errorf("archive: catalogue page %s has layout %d, this program reads %d; run the version that wrote it",
			c.Key(shard, n), page.Version, CatalogueVersion)
	}
	return page, nil
}

// errPageTaken says that another replica has written the page meanwhile, perhaps of other segments.
var errPageTaken = errors.New("archive: another writer has the page")

// Keep records what the segments archived, before they are trimmed. It is idempotent: what a page has already is left out.
func (c *Catalogue) Keep(ctx context.Context, shard int, segments iter.Seq2[journal.Segment, error]) error {
	var err error
	for range maxKeepTries {
		if err = c.keep(ctx, shard, segments); !errors.Is(err, errPageTaken) {
			return err
		}
	}
	return err
}

func (c *Catalogue) keep(ctx context.Context, shard int, segments iter.Seq2[journal.Segment, error]) error {
	next, through, err := c.last(ctx, shard)
	if err != nil {
		return err
	}
	page, size := CataloguePage{Version: CatalogueVersion}, 0
	flush := func() error {
		if len(page.IDs) == 0 {
			return nil
		}
		if err := c.write(ctx, shard, next, page); err != nil {
			return err
		}
		next, page.IDs, size = next+1, nil, 0
		return nil
	}
	for s, err := range segments {
		if err != nil {
			return err
		}
		if s.Seq <= through {
			continue
		}
		ids, err := c.layout.IDs(s)
		if err != nil {
			return err
		}
		more := 0
		for _, id := range ids {
			more += len(id) + len(`"",`)
		}
		if size+more > maxPageIDBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		page.IDs, page.Through, size = append(page.IDs, ids...), s.Seq, size+more
	}
	return flush()
}

// last finds how many pages there are, and what the last of them goes up to.
func (c *Catalogue) last(ctx context.Context, shard int) (pages int, through uint64, err error) {
	c.mu.Lock()
	low := c.pages[shard] // pages below it exist
	c.mu.Unlock()
	var last CataloguePage
	exists := func(n int) (bool, error) {
		page, ok, err := c.Page(ctx, shard, n)
		if ok {
			low, last = n+1, page
		}
		return ok, err
	}
	if low > 0 {
		if _, err := exists(low - 1); err != nil {
			return 0, 0, err
		}
	}
	high, step := low, 1 // pages from high on may exist
	for {
		ok, err := exists(high)
		if err != nil {
			return 0, 0, err
		}
		if !ok {
			break
		}
		high, step = high+step, step*2
	}
	for low < high { // low-1 exists, high does not
		middle := low + (high-low)/2
		ok, err := exists(middle)
		if err != nil {
			return 0, 0, err
		}
		if !ok {
			high = middle
		}
	}
	c.mu.Lock()
	c.pages[shard] = max(c.pages[shard], low)
	c.mu.Unlock()
	return low, last.Through, nil
}

// write creates a page. After any error it reads the page: ours, whole, is a success.
func (c *Catalogue) write(ctx context.Context, shard, n int, page CataloguePage) error {
	value, err := json.Marshal(page)
	if err != nil {
		return fmt.Errorf("archive: catalogue page %s: %w", c.Key(shard, n), err)
	}
	err = c.state.Create(ctx, c.Key(shard, n), value)
	if err == nil {
		return nil
	}
	item, readErr := c.state.Get(ctx, c.Key(shard, n))
	switch {
	case readErr != nil || item.Value == nil:
		return errors.Join(fmt.Errorf("archive: catalogue page %s not written: %w", c.Key(shard, n), err), readErr)
	case bytes.Equal(item.Value, value):
		return nil
	}
	return errPageTaken
}
