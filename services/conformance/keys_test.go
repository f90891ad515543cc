package conformance

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/datacopy"
	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/delivery"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

var (
	varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{40}|\b[0-9]+\b`)
	service = regexp.MustCompile(`^[a-z]+/`)
)

// shapeOf is a key with its ids, hashes, numbers and service taken out.
func shapeOf(key string) string {
	return service.ReplaceAllString(varying.ReplaceAllString(key, "N"), "S/")
}

// counter is the smallest journal there is.
type counter struct{}

type counted struct{}

func (counted) EventType() string                               { return "order.counted" }
func (counter) New() *int                                       { return new(int) }
func (counter) Clone(n *int) *int                               { c := *n; return &c }
func (counter) Apply(n *int, _ journal.At, _ journal.Event)     { *n++ }
func (counter) Dump(n *int, emit func(string, any) error) error { return emit("n", *n) }
func (counter) Load(*int, string, jsontext.Value) error         { return nil }
func (counter) Types() journal.Types                            { return journal.NewTypes(counted{}) }
func (counter) Decide(*int, journal.At, journal.Command) (any, []journal.Event, error) {
	return nil, []journal.Event{counted{}}, nil
}

// account is as much of a service as a copy has to know.
func account(ctx context.Context, state sidecar.State) (datacopy.Account, error) {
	return datacopy.AccountOf(ctx, "order", counter{}, state, func(n *int, totals map[string]int64) error { totals["n"] = int64(*n); return nil })
}

// What sidecart writes is among the keys that are tried, and nothing that is tried is made up.
func TestShapesAreThoseOfTheProduct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		state := store.Client("a", journaltest.Faults{})
		j, err := journal.New(journal.Config{Service: "order", Shards: 1, SnapshotEverySegments: 1}, counter{}, journal.Deps{State: state, Writer: "a"})
		require.NoError(t, err)
		done := make(chan error, 1)
		ctx, stop := context.WithCancel(t.Context())
		go func() { done <- j.Run(ctx) }()
		<-j.Loaded()
		for range 20 {
			_, err := j.DoShard(ctx, 0, "count")
			require.NoError(t, err)
			synctest.Wait() // for the snapshot, which is written beside
		}
		stop()
		require.NoError(t, <-done)

		var entries []archive.Entry
		for i := range 2000 {
			entries = append(entries, archive.Entry{ID: fmt.Sprintf("bd94bfa7-2092-577b-b5fb-%012d", i), At: time.Unix(int64(i), 0)})
		}
		require.NoError(t, archive.NewList(state, "order", "customer").Add(t.Context(), "ada", entries))
		require.NoError(t, archive.NewStore[int](state, "order", "order").Put(t.Context(), archive.View[int]{ID: entries[0].ID, Doc: 1}))

		layout := archive.Layout{Service: "order", Kind: "order", Archived: func(journal.Record) ([]string, error) { return []string{entries[0].ID}, nil }}
		require.NoError(t, archive.NewCatalogue(state, layout).Keep(t.Context(), 0, func(yield func(journal.Segment, error) bool) {
			yield(journal.Segment{Seq: 1, Events: []journal.Record{{}}}, nil)
		}))
		require.NoError(t, state.Create(t.Context(), delivery.RecordKey("order", "payment"), []byte(`{}`)))

		target := journaltest.NewStore()
		copier, err := datacopy.New(datacopy.Config{Services: []datacopy.Service{{Name: "order", Account: account}}},
			state, target.Client("a", journaltest.Faults{}))
		require.NoError(t, err)
		_, err = copier.Run(t.Context())
		require.NoError(t, err)

		written, tried := map[string]bool{}, map[string]bool{}
		for _, key := range slices.Concat(store.Keys(""), target.Keys("")) {
			written[shapeOf(key)] = true
		}
		for _, key := range shapes {
			tried[shapeOf(key)] = true
			assert.LessOrEqual(t, len(key), maxKeyBytes)
			assert.Contains(t, key, "/", "on Redis, topics and keys share one space of names, and no topic has a slash")
		}
		assert.Equal(t, written, tried)
	})
}
