package datacopy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/kit/journal"
)

// recordKey is where the target says what copy it belongs to.
const recordKey = "sidecart/copy"

// The phases that a record knows. Changes are by ETag, so of a switch and an undo only one happens.
const (
	phaseCopying  = "copying"
	phaseSwitched = "switched" // the target is the shop
	phaseUndone   = "undone"   // the source is; a later run may take the copy up again
)

// record is the value of recordKey.
type record struct {
	Version  int               `json:"version"`
	Copy     string            `json:"copy"` // its id
	From     string            `json:"from"`
	To       string            `json:"to"`
	Phase    string            `json:"phase"`
	Began    time.Time         `json:"began"`
	Journals map[string]string `json:"journals"` // identity by service
	// Closed is, by service and shard, the number of the source's last segment; set with phaseSwitched.
	Closed map[string][]uint64 `json:"closed,omitzero"`
}

const recordVersion = 1

// ErrUndone says that somebody gave this copy up while it ran: the source is the shop and takes orders.
var ErrUndone = errors.New("this copy was undone meanwhile")

func decodeRecord(value []byte) (record, error) {
	var r record
	if value == nil {
		return r, nil
	}
	if err := json.Unmarshal(value, &r); err != nil {
		return r, finalf("%s in the target cannot be read: %w; wipe the target", recordKey, err)
	}
	if r.Version != recordVersion {
		return r, finalf("%s in the target has layout %d, this program reads %d; run the version that wrote it", recordKey, r.Version, recordVersion)
	}
	return r, nil
}

// readRecord reads the target's record; a zero Version says that there is none.
func (c *Copier) readRecord(ctx context.Context) (record, error) {
	item, err := c.get(ctx, c.target, recordKey)
	if err != nil {
		return record{}, err
	}
	return decodeRecord(item.Value)
}

// stillCopying fails when the copy is no longer under way.
func (c *Copier) stillCopying(ctx context.Context, mine record) error {
	now, err := c.readRecord(ctx)
	switch {
	case err != nil:
		return err
	case now.Copy != mine.Copy:
		return finalf("the target now belongs to copy %q, this one is %q", now.Copy, mine.Copy)
	case now.Phase == phaseUndone:
		return &finalError{ErrUndone}
	case now.Phase != phaseCopying:
		return finalf("another run has switched already; run the same command again to see it through")
	}
	return nil
}

// metas reads the services' journals' metas from the source.
func (c *Copier) metas(ctx context.Context) (map[string]journal.Meta, error) {
	found := make(map[string]journal.Meta, len(c.cfg.Services))
	for _, s := range c.cfg.Services {
		m, err := c.metaOf(ctx, true, s.Name)
		switch {
		case err != nil:
			return nil, err
		case m.Version == 0:
			return nil, finalf("the source has no journal of %s: is it the right set, with the environment of the shop? Leave the service out if it was never started", s.Name)
		case m.Incoming != "":
			return nil, finalf("the source is itself the target of a copy that is not complete")
		case m.ID == "":
			return nil, finalf("the journal of %s has no identity yet: start the shop on the source once with this version", s.Name)
		}
		found[s.Name] = m
	}
	return found, nil
}

func (c *Copier) metaOf(ctx context.Context, source bool, service string) (m journal.Meta, err error) {
	state := c.target
	if source {
		state = c.source
	}
	err = c.insist(ctx, "reading the journal of "+service, func(ctx context.Context) (err error) {
		m, _, err = journal.ReadMeta(ctx, state, service)
		if journal.IsFatal(err) {
			return &finalError{err}
		}
		return err
	})
	return m, err
}

// claim makes the target this copy's, or finds that it is already.
func (c *Copier) claim(ctx context.Context, metas map[string]journal.Meta) (record, error) {
	journals := make(map[string]string, len(metas))
	for name, m := range metas {
		journals[name] = m.ID
	}
	if err := c.mustBeFree(ctx, metas); err != nil {
		return record{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return record{}, fmt.Errorf("datacopy: %w", err)
	}
	mine := record{
		Version: recordVersion, Copy: id.String(), From: c.cfg.From, To: c.cfg.To, Phase: phaseCopying,
		Began: c.cfg.Now().UTC().Round(0), Journals: journals,
	}
	var now record
	err = c.change(ctx, c.target, recordKey, func(value []byte) ([]byte, error) {
		var err error
		if now, err = decodeRecord(value); err != nil {
			return nil, err
		}
		switch {
		case now.Version == 0:
			now = mine
		case !maps.Equal(now.Journals, journals):
			return nil, finalf("the target belongs to a copy of %s from %s, begun %s: choose an empty target, or the services of that copy",
				strings.Join(slices.Sorted(maps.Keys(now.Journals)), ", "), now.From, now.Began.Format(time.RFC3339))
		case now.Phase == phaseUndone:
			now.Phase = phaseCopying
		default:
			return nil, nil
		}
		return json.Marshal(now)
	})
	if err != nil {
		return record{}, err
	}
	for name, m := range metas {
		if err := c.claimJournal(ctx, now, name, m); err != nil {
			return record{}, err
		}
	}
	return now, nil
}

// mustBeFree refuses a target that holds journals of somebody else, before anything is written to it.
func (c *Copier) mustBeFree(ctx context.Context, metas map[string]journal.Meta) error {
	for name, m := range metas {
		there, err := c.metaOf(ctx, false, name)
		if err != nil {
			return err
		}
		if there.Version != 0 && there.ID != m.ID {
			return finalf("the target holds another journal of %s (%s, not %s): nothing is overwritten; choose an empty target", name, there.ID, m.ID)
		}
	}
	now, err := c.readRecord(ctx)
	if err != nil {
		return err
	}
	if err := c.mustBeTheShop(ctx, now, metas); err != nil || now.Version != 0 {
		return err
	}
	for name := range metas {
		if there, err := c.metaOf(ctx, false, name); err != nil || there.Version != 0 {
			return errors.Join(err, finalf("the target holds the very journal of %s that is to be copied, and no copy is under way: is it the same store as the source, or what an earlier move left behind? Choose an empty one", name))
		}
	}
	return nil
}

// mustBeTheShop refuses a source that another copy has closed.
func (c *Copier) mustBeTheShop(ctx context.Context, now record, metas map[string]journal.Meta) error {
	now.Journals = map[string]string{}
	for name, m := range metas {
		now.Journals[name] = m.ID
	}
	for _, service := range c.cfg.Services {
		for n := range metas[service.Name].Shards {
			s := &shardCopy{Copier: c, record: now, service: service, keys: journal.Keys{Service: service.Name}, shard: n}
			end, err := s.end(ctx)
			if err != nil {
				return err
			}
			s.at.Through = end
			if _, err := s.closed(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// claimJournal marks a journal in the target as incoming.
func (c *Copier) claimJournal(ctx context.Context, now record, name string, m journal.Meta) error {
	return c.change(ctx, c.target, journal.Keys{Service: name}.Meta(), func(value []byte) ([]byte, error) {
		if value == nil {
			m.Incoming = now.Copy
			return json.Marshal(m)
		}
		var there journal.Meta
		if err := json.Unmarshal(value, &there); err != nil {
			return nil, &finalError{err}
		}
		if there.ID != m.ID || there.Incoming != now.Copy && now.Phase != phaseSwitched {
			return nil, finalf("the target's journal of %s is not that of this copy: nothing is overwritten; choose an empty target", name)
		}
		return nil, nil
	})
}
