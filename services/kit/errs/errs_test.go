package errs

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryKindHasAStatusOfItsOwnAndBack(t *testing.T) {
	for k := Internal; k <= Unavailable; k++ {
		require.GreaterOrEqual(t, k.Status(), 400)
		require.NotEmpty(t, http.StatusText(k.Status()))
		assert.Equal(t, k, KindOf(k.Status()), "two kinds share status %d", k.Status())
	}
	assert.Equal(t, Invalid, KindOf(http.StatusTeapot))
	assert.Equal(t, Internal, KindOf(http.StatusBadGateway))
	assert.Equal(t, http.StatusInternalServerError, Kind(200).Status(), "a kind that does not exist")
}

func TestFromFindsTheErrorInAChainAndHidesOthers(t *testing.T) {
	soldOut := New(Conflict, "sold_out", "nothing is left")
	assert.Same(t, soldOut, From(fmt.Errorf("reserve: %w", soldOut)))
	assert.Nil(t, From(nil))

	cause := errors.New("driver: password=secret")
	hidden := From(cause)
	assert.Equal(t, Internal, hidden.Kind)
	assert.NotContains(t, hidden.Message, "secret")
	assert.ErrorIs(t, hidden, cause)
	assert.Contains(t, hidden.Error(), "driver", "the log needs the cause")
}

func TestWithMethodsCopy(t *testing.T) {
	base := New(Conflict, "sold_out", "nothing is left").With("a", 1)
	more := base.With("b", 2).Wrap(errors.New("why"))
	assert.Equal(t, map[string]any{"a": 1}, base.Extra)
	assert.Equal(t, map[string]any{"a": 1, "b": 2}, more.Extra)
	assert.NoError(t, base.Unwrap())
	assert.Error(t, more.Unwrap())
}

func TestReadyMadeErrors(t *testing.T) {
	e := InvalidField("/lines/0/quantity", "must be at least %d", 1)
	assert.Equal(t, []Field{{Field: "/lines/0/quantity", Message: "must be at least 1"}}, e.Fields)
	assert.Equal(t, http.StatusBadRequest, e.Kind.Status())

	unknown := OutcomeUnknown(errors.New("timeout"))
	assert.Equal(t, http.StatusServiceUnavailable, unknown.Kind.Status())
	assert.GreaterOrEqual(t, unknown.RetryAfter, time.Second)
	assert.True(t, HasCode(fmt.Errorf("x: %w", unknown), CodeOutcomeUnknown))
	assert.False(t, HasCode(errors.New("x"), CodeOutcomeUnknown))
	assert.Equal(t, CodeOverloaded, Overloaded("the queue").Code)
}
