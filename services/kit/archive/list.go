package archive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Sizes of a list. The head (at most 1,024 entries of 70 bytes and 1,024 references of 110 bytes, with ids of the
// size of a UUID) stays below sidecar.MaxValueBytes.
const (
	maxHeadEntries  = 1024
	spillEntries    = 512  // one page
	maxPages        = 1024 // beyond these the oldest page is no longer listed (about half a million entries)
	maxAddAttempts  = 16
	ownerHashHexLen = 40
)

// Entry is an archived aggregate in its owner's list. The order of a list is newest first: by At, then by ID.
type Entry struct {
	ID string
	At time.Time // never changes for an id
}

// List keeps, for each owner (a customer), the ids of what was archived. Safe for concurrent use, also by several
// replicas: the head is replaced by ETag only, and pages never change.
type List struct {
	state  sidecar.State
	prefix string
}

// NewList keeps lists under {service}/list/{kind}/.
func NewList(state sidecar.State, service, kind string) *List {
	return &List{state: state, prefix: service + "/list/" + kind + "/"}
}

// entry is an Entry in the store, kept short because a head has many.
type entry struct {
	ID string `json:"i"`
	At int64  `json:"t"` // Unix nanoseconds
}

// page refers to spillEntries entries that were moved out of the head; the times of pages may overlap.
type page struct {
	Key    string `json:"key"` // of its content, so that writing it again is harmless
	Newest int64  `json:"newest"`
	Oldest int64  `json:"oldest"`
}

type head struct {
	Entries []entry `json:"entries"`
	Pages   []page  `json:"pages,omitempty"` // the newest first
}

// newestFirst orders entries as a list does.
func newestFirst(a, b entry) int {
	if c := cmp.Compare(b.At, a.At); c != 0 {
		return c
	}
	return cmp.Compare(b.ID, a.ID)
}

// ownerKey hashes the owner, which may be any text and may be personal.
func (l *List) ownerKey(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return l.prefix + hex.EncodeToString(sum[:])[:ownerHashHexLen]
}

// Add enters what is not yet in the owner's list. After an error the entries may or may not be in it; adding
// them again is harmless.
func (l *List) Add(ctx context.Context, owner string, entries []Entry) error {
	key := l.ownerKey(owner)
	var last error
	for range maxAddAttempts {
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), last)
		}
		item, err := l.state.Get(ctx, key)
		if err != nil {
			return errors.Join(err, last)
		}
		var h head
		if item.Value != nil {
			if err := json.Unmarshal(item.Value, &h); err != nil {
				return fmt.Errorf("archive: list %s: %w", key, err)
			}
		}
		if !h.add(entries) {
			return nil
		}
		for len(h.Entries) > maxHeadEntries {
			if err := l.spill(ctx, key, &h); err != nil {
				return err
			}
		}
		value, err := json.Marshal(h)
		if err != nil {
			return fmt.Errorf("archive: list %s: %w", key, err)
		}
		if item.Value == nil {
			last = l.state.Create(ctx, key, value)
		} else {
			last = l.state.Replace(ctx, key, value, item.ETag)
		}
		if last == nil {
			return nil
		}
	}
	return fmt.Errorf("archive: list %s not written after %d attempts: %w", key, maxAddAttempts, last)
}

// add merges entries into h and tells whether that changed anything. An entry that already stands in a page is
// entered once more (the price of not reading pages); reading drops it.
func (h *head) add(entries []Entry) bool {
	changed := false
	for _, e := range entries {
		n := entry{ID: e.ID, At: e.At.UnixNano()}
		i, there := slices.BinarySearchFunc(h.Entries, n, newestFirst)
		if !there {
			h.Entries = slices.Insert(h.Entries, i, n)
			changed = true
		}
	}
	return changed
}

// spill moves the oldest entries of h to a page. The page is written before the head that refers to it; if the head
// is then not written, the page stays behind unused unless the same entries spill again.
func (l *List) spill(ctx context.Context, key string, h *head) error {
	old := h.Entries[len(h.Entries)-spillEntries:]
	value, err := json.Marshal(old)
	if err != nil {
		return fmt.Errorf("archive: list %s: %w", key, err)
	}
	sum := sha256.Sum256(value)
	p := page{Key: hex.EncodeToString(sum[:])[:ownerHashHexLen], Newest: old[0].At, Oldest: old[len(old)-1].At}
	if err := l.state.Create(ctx, key+"/"+p.Key, value); err != nil {
		item, readErr := l.state.Get(ctx, key+"/"+p.Key)
		if readErr != nil || item.Value == nil {
			return errors.Join(fmt.Errorf("archive: list %s: page not written: %w", key, err), readErr)
		}
	}
	h.Entries = slices.Clone(h.Entries[:len(h.Entries)-spillEntries])
	h.Pages = append(h.Pages, p)
	slices.SortStableFunc(h.Pages, func(a, b page) int { return cmp.Compare(b.Newest, a.Newest) })
	h.Pages = h.Pages[:min(len(h.Pages), maxPages)]
	return nil
}

// Before reads up to limit entries of the owner that come after cursor in the list, newest first; the zero
// cursor begins at the newest.
func (l *List) Before(ctx context.Context, owner string, cursor Entry, limit int) ([]Entry, error) {
	key := l.ownerKey(owner)
	item, err := l.state.Get(ctx, key)
	if err != nil {
		return nil, unreadable(err)
	}
	if item.Value == nil {
		return nil, nil
	}
	var h head
	if err := json.Unmarshal(item.Value, &h); err != nil {
		return nil, fmt.Errorf("archive: list %s: %w", key, err)
	}
	wanted := func(e entry) bool { return true }
	if cursor.ID != "" {
		from := entry{ID: cursor.ID, At: cursor.At.UnixNano()}
		wanted = func(e entry) bool { return newestFirst(from, e) < 0 }
	}
	found := gather(nil, h.Entries, wanted)
	for _, p := range h.Pages {
		if len(found) >= limit && found[limit-1].At > p.Newest {
			break // every entry of this page and of the ones after it is older than what was asked for
		}
		if cursor.ID != "" && p.Oldest > cursor.At.UnixNano() {
			continue
		}
		var entries []entry
		item, err := l.state.Get(ctx, key+"/"+p.Key)
		if err != nil {
			return nil, unreadable(err)
		}
		if err := json.Unmarshal(item.Value, &entries); err != nil {
			return nil, fmt.Errorf("archive: list %s page %s: %w", key, p.Key, err)
		}
		found = gather(found, entries, wanted)
	}
	out := make([]Entry, 0, min(limit, len(found)))
	for _, e := range found[:min(limit, len(found))] {
		out = append(out, Entry{ID: e.ID, At: time.Unix(0, e.At).UTC()})
	}
	return out, nil
}

// PagesOf gives the keys of the pages that a list refers to, from the list's own key and value.
func PagesOf(key string, value []byte) ([]string, error) {
	var h head
	if err := json.Unmarshal(value, &h); err != nil {
		return nil, fmt.Errorf("archive: list %s: %w", key, err)
	}
	keys := make([]string, len(h.Pages))
	for i, p := range h.Pages {
		keys[i] = key + "/" + p.Key
	}
	return keys, nil
}

// gather merges the wanted ones of more into found, in order and each of them once.
func gather(found, more []entry, wanted func(entry) bool) []entry {
	for _, e := range more {
		if wanted(e) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, newestFirst)
	return slices.Compact(found)
}
