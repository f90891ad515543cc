package datacopy

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/jsondoc"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// copyCatalogue copies the catalogue's pages that are new, each after the views and lists that it names.
func (s *shardCopy) copyCatalogue(ctx context.Context) error {
	if s.service.Archive == nil {
		return nil
	}
	catalogue := archive.NewCatalogue(s.source, *s.service.Archive)
	for {
		key := catalogue.Key(s.shard, s.at.Pages)
		item, err := s.get(ctx, s.source, key)
		if err != nil || item.Value == nil {
			return err
		}
		page, err := catalogue.Decode(s.shard, s.at.Pages, item.Value)
		if err != nil {
			return &finalError{err}
		}
		if err := s.copyArchived(ctx, page.IDs); err != nil {
			return err
		}
		if err := s.createAll(ctx, []document{{key, item.Value}}); err != nil {
			return err
		}
		s.at.Pages++
		s.totals.pages.Add(1)
		if err := s.note(ctx); err != nil {
			return err
		}
	}
}

// copyArchived copies the views of ids, and the lists that they are in.
func (s *shardCopy) copyArchived(ctx context.Context, ids []string) error {
	for len(ids) > 0 {
		n := min(len(ids), batchViews)
		if err := s.copyViews(ctx, ids[:n]); err != nil {
			return err
		}
		ids = ids[n:]
		s.tell()
	}
	return nil
}

// view is as much of a stored view as a copy has to understand.
type view struct {
	Shard int            `json:"shard"`
	Seq   uint64         `json:"seq"`
	Doc   jsontext.Value `json:"doc"`
}

// copyViews brings views to the target unless they are there as of the same or a later segment.
func (s *shardCopy) copyViews(ctx context.Context, ids []string) error {
	layout := s.service.Archive
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = layout.ViewKey(id)
	}
	items, err := s.getEach(ctx, s.source, keys)
	if err != nil {
		return err
	}
	owners := map[string]bool{} // keys of their lists
	var views []document
	for i, item := range items {
		if item.Value == nil {
			s.totals.missing(keys[i])
			continue
		}
		v, err := decodeView(keys[i], item.Value)
		if err != nil {
			return err
		}
		if layout.Lists != "" {
			owner, err := layout.Owner(v.Doc)
			if err != nil {
				return finalf("view %s of the source cannot be read: %w", keys[i], err)
			}
			owners[layout.ListKey(owner)] = true
		}
		views = append(views, document{keys[i], item.Value})
	}
	if err := s.putViews(ctx, views); err != nil {
		return err
	}
	s.totals.views.Add(int64(len(views)))
	return s.copyLists(ctx, owners)
}

// putViews creates views that are new, and sees to those one by one of which the target has another.
func (s *shardCopy) putViews(ctx context.Context, views []document) error {
	items, _, err := s.tryCreate(ctx, views)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(maxParallelWrites)
	for i, d := range views {
		if items[i].Value == nil || !jsondoc.Same(items[i].Value, d.value) {
			g.Go(func() error { return s.putView(ctx, d.key, d.value) })
		}
	}
	return g.Wait()
}

func decodeView(key string, value []byte) (view, error) {
	var v view
	if err := json.Unmarshal(value, &v); err != nil {
		return v, finalf("view %s cannot be read: %w", key, err)
	}
	return v, nil
}

// putView writes one view, never over a later one, and returns once it has read it back.
func (s *shardCopy) putView(ctx context.Context, key string, value []byte) error {
	v, err := decodeView(key, value)
	if err != nil {
		return err
	}
	write := func(ctx context.Context) error { return s.target.Create(ctx, key, value) }
	return s.insist(ctx, "writing "+key, func(ctx context.Context) error {
		writeErr := write(ctx) // what it means is what is read back
		item, err := s.target.Get(ctx, key)
		if err != nil || item.Value == nil {
			return errors.Join(errors.New("the view is not there yet"), writeErr, err)
		}
		there, err := decodeView(key, item.Value)
		if err != nil {
			return err
		}
		switch {
		case there.Shard != v.Shard:
			return finalf("the target has %s as of shard %d, the source as of %d", key, there.Shard, v.Shard)
		case there.Seq > v.Seq || there.Seq == v.Seq && jsondoc.Same(item.Value, value):
			return nil
		case there.Seq == v.Seq:
			return finalf("the target holds another value at %s: it is not overwritten; wipe the target, or choose an empty one", key)
		}
		write = func(ctx context.Context) error { return s.target.Replace(ctx, key, value, item.ETag) }
		return errors.New("the target has an older view")
	})
}

// copyLists brings lists to the target as they are in the source.
func (s *shardCopy) copyLists(ctx context.Context, owners map[string]bool) error {
	if len(owners) == 0 {
		return nil
	}
	keys := make([]string, 0, len(owners))
	for key := range owners {
		keys = append(keys, key)
	}
	return s.persist(ctx, "copying lists", func(ctx context.Context) error {
		// In this order: the target as it was while the copy was still under way, then what the source has. A run that was
		// paused here for so long that the shop sells from the target finds its ETags changed, and changes nothing.
		there, err := s.getMany(ctx, s.target, keys)
		if err != nil {
			return err
		}
		if err := s.stillCopying(ctx, s.record); err != nil {
			return err
		}
		items, err := s.getEach(ctx, s.source, keys)
		if err != nil {
			return err
		}
		var g errgroup.Group
		g.SetLimit(maxParallelWrites)
		var written []document
		for i, item := range items {
			if item.Value == nil || there[i].Value != nil && jsondoc.Same(item.Value, there[i].Value) {
				continue
			}
			written = append(written, document{keys[i], item.Value})
			g.Go(func() error { return s.putList(ctx, keys[i], item.Value, there[i]) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if keys, err = s.differing(ctx, written); err != nil || len(keys) == 0 {
			return err
		}
		return fmt.Errorf("%d lists are not yet as they should be", len(keys))
	})
}

// differing reads documents back and gives the keys of those that the target does not have.
func (s *shardCopy) differing(ctx context.Context, written []document) (keys []string, err error) {
	for _, d := range written {
		keys = append(keys, d.key)
	}
	items, err := s.getMany(ctx, s.target, keys)
	if err != nil {
		return keys, err
	}
	keys = nil
	for i, d := range written {
		if items[i].Value == nil || !jsondoc.Same(items[i].Value, d.value) {
			keys = append(keys, d.key)
		}
	}
	return keys, nil
}

// putList writes a list's pages, then the list. A failure of the last write shows when it is read back.
func (s *shardCopy) putList(ctx context.Context, key string, value []byte, there sidecar.Item) error {
	pages, err := archive.PagesOf(key, value)
	if err != nil {
		return &finalError{err}
	}
	for len(pages) > 0 {
		n := min(len(pages), bulkKeys)
		items, err := s.getEach(ctx, s.source, pages[:n])
		if err != nil {
			return err
		}
		var documents []document
		for i, item := range items {
			if item.Value != nil {
				documents = append(documents, document{pages[i], item.Value})
			} else {
				s.totals.missing(pages[i])
			}
		}
		if err := s.createAll(ctx, documents); err != nil {
			return err
		}
		pages = pages[n:]
	}
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	if there.Value == nil {
		_ = s.target.Create(ctx, key, value)
	} else {
		_ = s.target.Replace(ctx, key, value, there.ETag)
	}
	s.totals.lists.Add(1)
	return nil
}
