package stage_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/stage"
)

func wait(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func TestBaseEndsLast(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var order []string
	base := func(ctx context.Context) error {
		<-ctx.Done()
		order = append(order, "base")
		return ctx.Err()
	}
	part := func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		order = append(order, "part")
		return nil
	}
	require.NoError(t, stage.Run(ctx, base, part))
	require.Equal(t, []string{"part", "base"}, order)
}

func TestFailureEndsAll(t *testing.T) {
	failure := errors.New("broken")
	fail := func(context.Context) error { return failure }
	require.ErrorIs(t, stage.Run(t.Context(), fail, wait, wait), failure)
	require.ErrorIs(t, stage.Run(t.Context(), wait, wait, fail), failure)
}

func TestAnEarlyEndIsAFailure(t *testing.T) {
	end := func(context.Context) error { return nil }
	require.Error(t, stage.Run(t.Context(), end, wait))
	require.Error(t, stage.Run(t.Context(), wait, end))
}
