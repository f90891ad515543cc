package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Meta is the value of {service}/journal: what holds for a journal as a whole and for as long as there is one.
type Meta struct {
	Version int `json:"version"` // of this layout: MetaVersion
	Shards  int `json:"shards"`  // every aggregate's shard depends on it
	// ID tells this journal from any other of the same service. It is made at first use and stays when the data is
	// moved to another store; segments carry it, so that a follower notices a journal that was begun anew.
	ID string `json:"id,omitzero"`
	// Incoming names the copy that is still bringing this journal here. Until it is taken away nobody may serve it.
	Incoming string `json:"incoming,omitzero"`
}

// MetaVersion is the layout that this code writes.
const MetaVersion = 1

// errIncoming says that the journal in the store is not whole yet.
var errIncoming = errors.New("journal: this store is being filled by `sidecart data copy` and is not complete; " +
	"let the copy finish, or start with the components that the data comes from")

// ReadMeta reads what a store says about a service's journal, and the ETag of that; without one there is none. An
// error that IsFatal says is about what is stored, any other about the store.
func ReadMeta(ctx context.Context, state sidecar.State, service string) (Meta, string, error) {
	key := Keys{service}.Meta()
	item, err := state.Get(ctx, key)
	if err != nil || item.Value == nil {
		return Meta{}, "", err
	}
	var m Meta
	if err := json.Unmarshal(item.Value, &m); err != nil {
		return Meta{}, "", fatalf("journal: %s cannot be read: %w; restore this key from a backup", key, err)
	}
	if m.Version != MetaVersion || m.Shards < 1 || m.Shards > maxShards {
		return Meta{}, "", fatalf("journal: %s says layout %d with %d shards, which this program does not know; run the version that wrote it",
			key, m.Version, m.Shards)
	}
	return m, item.ETag, nil
}

// agreeOnMeta reads the number of shards and the identity that the store has, or records ours as the first. It
// waits, as long as ctx lasts, for a store that cannot be used yet and for a copy that is not complete.
func (j *Journal[S]) agreeOnMeta(ctx context.Context) (Meta, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Meta{}, fmt.Errorf("journal: %w", err)
	}
	var m Meta
	said := ""
	err = retry(ctx, storeCallWithin, func(ctx context.Context) (err error) {
		defer func() {
			if err != nil {
				j.hindrance.Store(&err)
			}
			if err != nil && said != err.Error() && !isFatal(err) {
				said = err.Error()
				j.deps.Log.Warn("the journal in the state store cannot be used yet; trying again", "error", err)
			}
		}()
		found, etag, err := ReadMeta(ctx, j.deps.State, j.cfg.Service)
		switch {
		case err != nil:
			return err
		case found.Incoming != "":
			return errIncoming
		case found.ID != "":
			m = found
			return nil
		case etag == "":
			found = Meta{Version: MetaVersion, Shards: j.cfg.Shards}
		}
		found.ID = id.String()
		value, err := json.Marshal(found)
		if err != nil {
			return err
		}
		if etag == "" {
			err = j.deps.State.Create(ctx, j.keys.Meta(), value)
		} else {
			err = j.deps.State.Replace(ctx, j.keys.Meta(), value, etag)
		}
		m = found
		return err // the next try reads who was first
	})
	return m, err
}

// ID is the identity of the journal: the same in every replica and after a move to another store. "" before Loaded.
func (j *Journal[S]) ID() string {
	if !j.isLoaded() {
		return ""
	}
	return j.id
}
