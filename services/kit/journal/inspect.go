package journal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Inspection is what one shard of a journal in a store comes to.
type Inspection[S any] struct {
	Head    uint64    // last committed segment
	At      time.Time // its time
	Moved   *Moved    // nil unless the shard was moved away
	State   S         // after that segment
	Records int       // of a snapshot of it
	Digest  string    // of these records, in hex: equal for equal states, wherever they were loaded from
}

// Inspect loads a service's journal from a store as a start does, and writes nothing: the store may be that of a running
// shop, of a stopped one, or the unfinished target of a copy. It retries until ctx ends. There being no journal is an error.
func Inspect[S any](ctx context.Context, service string, m Machine[S], state sidecar.State) ([]Inspection[S], error) {
	j, err := New(Config{Service: service}, m, Deps{State: state, Writer: "inspect"})
	if err != nil {
		return nil, err
	}
	var meta Meta
	err = retry(ctx, storeCallWithin, func(ctx context.Context) (err error) {
		meta, _, err = ReadMeta(ctx, state, service)
		return err
	})
	if err != nil {
		return nil, err
	}
	if meta.Version == 0 {
		return nil, fmt.Errorf("journal: there is no journal of %s in this store", service)
	}
	j.id = meta.ID
	shards := make([]Inspection[S], meta.Shards)
	g, ctx := errgroup.WithContext(ctx)
	for n := range shards {
		g.Go(func() (err error) {
			shards[n], err = inspect(ctx, newShard(j, n))
			return err
		})
	}
	return shards, g.Wait()
}

func inspect[S any](ctx context.Context, s *shard[S]) (Inspection[S], error) {
	if err := s.load(ctx); err != nil {
		return Inspection[S]{}, err
	}
	v := s.head()
	found := Inspection[S]{Head: v.seq, At: v.at, Moved: v.system.moved, State: v.domain}
	var digest unordered
	err := dump(s.journal.machine, v, func(r snapshotRecord) error {
		found.Records++
		digest.add(fmt.Appendf(nil, "%s %s", r.Kind, r.Data))
		return nil
	})
	found.Digest = digest.String()
	return found, err
}

// unordered is a digest of texts in whatever order they come, because a Dump may give its records in any: their SHA-256s
// added up, as four numbers each.
type unordered [4]uint64

func (u *unordered) add(text []byte) {
	sum := sha256.Sum256(text)
	for i := range u {
		u[i] += binary.BigEndian.Uint64(sum[8*i:])
	}
}

func (u *unordered) String() string {
	return fmt.Sprintf("%016x%016x%016x%016x", u[0], u[1], u[2], u[3])
}
