package archive

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// retire is the archiver's command.
type retire struct{ refs []Ref }

// attic is a journal whose every aggregate is finished; it notes what is retired.
type attic struct {
	Log[*Index] // what is not given below is not called
	retired     [][]Ref
}

func (*attic) State(int) *Index { return NewIndex() }

func (a *attic) DoShard(_ context.Context, _ int, cmd journal.Command) (journal.Result, error) {
	a.retired = append(a.retired, cmd.(retire).refs)
	return journal.Result{}, nil
}

// An aggregate leaves memory only when the store has its view and its owner's list names it: both in this order.
func TestNothingLeavesMemoryBeforeItIsElsewhere(t *testing.T) {
	var down atomic.Bool
	shared, log := journaltest.NewStore(), &attic{}
	views := NewStore[string](shared.Client("archiver", journaltest.Faults{Script: func(_, key string, _ int) (journaltest.Fault, bool) {
		return journaltest.FailBefore, down.Load() && key == "shop/view/thing/b"
	}}), "shop", "thing")
	var listed error
	a, err := NewArchiver(Config{Kind: "thing"}, Wrap[*Index](log, views, func(x *Index) *Index { return x }), Rules[*Index, string]{
		Finished: func(*Index, time.Time, int) []View[string] {
			return []View[string]{{ID: "a", Seq: 3, Doc: "doc of a"}, {ID: "b", Seq: 4, Doc: "doc of b"}}
		},
		Listed: func(ctx context.Context, due []View[string]) error {
			there, err := views.GetMany(ctx, []string{"a", "b"})
			require.NoError(t, err)
			require.Len(t, there, len(due), "the lists come after the views")
			return listed
		},
		Command: func(refs []Ref) journal.Command { return retire{refs} },
	}, Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)

	down.Store(true)
	_, err = a.round(t.Context(), 0)
	require.ErrorIs(t, err, journaltest.ErrInjected)
	require.Empty(t, log.retired, "a view is missing")

	down.Store(false)
	listed = errors.New("the list is not written")
	_, err = a.round(t.Context(), 0)
	require.ErrorIs(t, err, listed)
	require.Empty(t, log.retired, "the lists do not name them")

	listed = nil
	n, err := a.round(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, [][]Ref{{{ID: "a", Seq: 3}, {ID: "b", Seq: 4}}}, log.retired)
}
