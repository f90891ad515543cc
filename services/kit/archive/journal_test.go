package archive

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

func contextOf(t require.TestingT) context.Context {
	return t.(interface{ Context() context.Context }).Context()
}

func jsonBytes(t *testing.T, v any) int {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return len(text)
}

// ask is a command about an aggregate that is not in memory; its answer is the document that was found.
type ask struct {
	id   string
	look *Look[string]
}

func (a ask) AggregateID() string                     { return a.id }
func (a ask) WithLook(l Look[string]) journal.Command { a.look = &l; return a }

// shelf is a journal of one shard that answers asks, with a state that is only an Index.
type shelf struct {
	Log[*Index] // what is not given below is not called
	index       *Index
	// before is called before each decision: something else may be archived.
	before func()
	tries  int
}

func (s *shelf) Loaded() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (s *shelf) ShardOf(string) int { return 0 }
func (s *shelf) State(int) *Index   { return s.index }
func (s *shelf) decide(cmd journal.Command) (string, error) {
	s.tries++
	if s.before != nil {
		s.before()
	}
	a, ok := cmd.(ask)
	if !ok {
		return "", nil
	}
	view, err := Find(s.index, a.id, a.look)
	if view == nil || err != nil {
		return "", err
	}
	return view.Doc, nil
}

func (s *shelf) DoShard(_ context.Context, _ int, cmd journal.Command) (journal.Result, error) {
	batch, ok := cmd.(journal.Followed)
	if !ok {
		answer, err := s.decide(cmd)
		return journal.Result{Answer: answer}, err
	}
	var answers []string
	for i, step := range batch.Steps {
		answer, err := s.decide(step.Cmd)
		if err != nil {
			return journal.Result{}, &journal.StepError{Step: i, Err: err}
		}
		answers = append(answers, answer)
	}
	return journal.Result{Answer: answers}, nil
}

func (s *shelf) Unpark(_ context.Context, _ string, cmds []journal.Command) error {
	for i, c := range cmds {
		if _, err := s.decide(c); err != nil {
			return &journal.StepError{Step: i, Err: err}
		}
	}
	return nil
}

func newShelf(t *testing.T, faults journaltest.Faults, archived ...string) (*shelf, *Journal[*Index, string]) {
	shared := journaltest.NewStore()
	writer := NewStore[string](shared.Client("writer", journaltest.Faults{}), "shop", "thing")
	s := &shelf{index: NewIndex()}
	for i, id := range archived {
		require.NoError(t, writer.Put(t.Context(), View[string]{ID: id, Seq: uint64(i + 1), Doc: "doc of " + id}))
		s.index.Add([]string{id})
	}
	reader := NewStore[string](shared.Client("reader", faults), "shop", "thing")
	return s, Wrap[*Index](s, reader, func(x *Index) *Index { return x })
}

func TestAnArchivedAggregateIsFound(t *testing.T) {
	s, j := newShelf(t, journaltest.Faults{}, "a", "b")
	result, err := j.Do(t.Context(), "a", ask{id: "a"})
	require.NoError(t, err)
	require.Equal(t, "doc of a", result.Answer)
	require.Equal(t, 2, s.tries)

	s.tries = 0
	result, err = j.Do(t.Context(), "new", ask{id: "new"})
	require.NoError(t, err)
	require.Empty(t, result.Answer)
	require.Equal(t, 1, s.tries, "what was certainly never archived needs no look")
}

func TestAWrongYesOfTheIndexFindsNothing(t *testing.T) {
	s, j := newShelf(t, journaltest.Faults{})
	s.index.Add([]string{"a"})
	result, err := j.Do(t.Context(), "a", ask{id: "a"})
	require.NoError(t, err)
	require.Empty(t, result.Answer)
}

func TestALookThatHasBecomeOldIsMadeAgain(t *testing.T) {
	s, j := newShelf(t, journaltest.Faults{}, "a")
	archiving := 4
	s.before = func() {
		if archiving > 0 {
			archiving--
			s.index = s.index.Clone()
			s.index.Add([]string{fmt.Sprint("x", archiving)})
		}
	}
	result, err := j.Do(t.Context(), "a", ask{id: "a"})
	require.NoError(t, err)
	require.Equal(t, "doc of a", result.Answer)

	archiving = 1000
	_, err = j.Do(t.Context(), "a", ask{id: "a"})
	require.True(t, errs.HasCode(err, errs.CodeUnavailable), "%v", err)
	require.Equal(t, 1000-maxLooks-1, archiving, "looking is bounded")
}

func TestAFollowersCommandsAreLookedAtTogether(t *testing.T) {
	s, j := newShelf(t, journaltest.Faults{}, "a", "b")
	batch := journal.Followed{Source: "other", Seq: 1, Steps: []journal.Step{
		{Index: 0, Cmd: ask{id: "a"}}, {Index: 1, Cmd: "something else"}, {Index: 2, Cmd: ask{id: "new"}}, {Index: 3, Cmd: ask{id: "b"}},
	}}
	result, err := j.DoShard(t.Context(), 0, batch)
	require.NoError(t, err)
	require.Equal(t, []string{"doc of a", "", "", "doc of b"}, result.Answer)
	require.Equal(t, 5, s.tries, "one refusal, then every step")
	require.Equal(t, ask{id: "a"}, batch.Steps[0].Cmd, "the caller's batch is left alone")

	require.NoError(t, j.Unpark(t.Context(), "p", []journal.Command{ask{id: "b"}}))
	require.NoError(t, j.Unpark(t.Context(), "p", []journal.Command{"something else"}))
}

func TestAStoreThatCannotBeReadIsSaidSo(t *testing.T) {
	_, j := newShelf(t, journaltest.Faults{FailBefore: 1}, "a")
	_, err := j.Do(t.Context(), "a", ask{id: "a"})
	require.True(t, errs.HasCode(err, errs.CodeUnavailable), "%v", err)
	require.Positive(t, errs.From(err).RetryAfter)
	require.False(t, errors.Is(err, ErrLookAgain))
}
