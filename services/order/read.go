package order

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// find gives an order from memory or from its view, as it was at some moment during the call: what another replica
// committed before is in it.
func (s *Service) find(ctx context.Context, id string) (*orderapi.Order, error) {
	if err := s.loaded(); err != nil {
		return nil, err
	}
	if err := s.log.Sync(ctx, s.log.ShardOf(id)); err != nil {
		return nil, err
	}
	o, err := s.glance(ctx, id)
	if o == nil && err == nil {
		err = refuseUnknown(id)
	}
	return o, err
}

// glance is find as far as this replica knows; nil without an error says that it knows of no such order.
func (s *Service) glance(ctx context.Context, id string) (*orderapi.Order, error) {
	if err := s.loaded(); err != nil {
		return nil, err
	}
	state := s.log.State(s.log.ShardOf(id))
	if o := state.order(id); o != nil {
		return o, nil
	}
	if !state.archived.Maybe(id) {
		return nil, nil
	}
	view, err := s.views.Get(ctx, id)
	if view == nil || err != nil {
		return nil, err
	}
	return &view.Doc, nil
}

// list gives a page of the orders of an owner, newest first, archived ones included, as they were at some moment
// during the call. The states are taken before the archive is read: an order that leaves memory meanwhile is in the
// state, and one that had left it before is in the archive.
func (s *Service) list(ctx context.Context, owner identity.Owner, cursor string, limit int) ([]orderapi.Order, string, error) {
	if err := s.loaded(); err != nil {
		return nil, "", err
	}
	after, err := readCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	found := make(map[string]*orderapi.Order)
	var keys []stamp
	for shard := range s.log.Shards() {
		if err := s.log.Sync(ctx, shard); err != nil {
			return nil, "", err
		}
		for _, o := range s.log.State(shard).ofOwner(owner, after, limit+1) {
			found[o.ID] = o
			keys = append(keys, placedStamp(o))
		}
	}
	var from archive.Entry
	if after.id != "" {
		from = archive.Entry{ID: after.id, At: time.Unix(0, after.at)}
	}
	archived, err := s.lists.Before(ctx, listOwner(owner.Tenant, owner.Subject), from, limit+1)
	if err != nil {
		return nil, "", err
	}
	for _, e := range archived {
		keys = append(keys, stamp{e.At.UnixNano(), e.ID})
	}
	slices.SortFunc(keys, newestFirst)
	keys = slices.Compact(keys)
	next := ""
	if len(keys) > limit {
		keys = keys[:limit]
		next = writeCursor(keys[limit-1])
	}
	orders, err := s.fill(ctx, keys, found)
	return orders, next, err
}

// fill gives the orders of keys: those in found, the others from their views.
func (s *Service) fill(ctx context.Context, keys []stamp, found map[string]*orderapi.Order) ([]orderapi.Order, error) {
	var missing []string
	for _, k := range keys {
		if found[k.id] == nil {
			missing = append(missing, k.id)
		}
	}
	views, err := s.views.GetMany(ctx, missing)
	if err != nil {
		return nil, err
	}
	orders := make([]orderapi.Order, 0, len(keys))
	for _, k := range keys {
		switch view := views[k.id]; {
		case found[k.id] != nil:
			orders = append(orders, *found[k.id])
		case view != nil:
			orders = append(orders, view.Doc)
		default: // views are written before lists
			return nil, fmt.Errorf("order: the view of archived order %s is missing", k.id)
		}
	}
	return orders, nil
}

func newestFirst(a, b stamp) int {
	if c := cmp.Compare(b.at, a.at); c != 0 {
		return c
	}
	return strings.Compare(b.id, a.id)
}

// A cursor names the last order of the page before it.
func writeCursor(k stamp) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%s", k.at, k.id))
}

func readCursor(cursor string) (stamp, error) {
	var k stamp
	if cursor == "" {
		return k, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		_, err = fmt.Sscanf(string(text), "%d/%s", &k.at, &k.id)
	}
	if err != nil || writeCursor(k) != cursor {
		return stamp{}, errs.InvalidField("cursor", "is not one that this list gave")
	}
	return k, nil
}

// loaded refuses while the journal is being read at start.
func (s *Service) loaded() error {
	select {
	case <-s.log.Loaded():
		return nil
	default:
		e := errs.New(errs.Unavailable, errs.CodeUnavailable, "the service is starting; try again shortly")
		e.RetryAfter = time.Second
		return e
	}
}
