package journaltest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

func TestStoreIsAState(t *testing.T) {
	store := journaltest.NewStore()
	var s sidecar.State = store.Client("a", journaltest.Faults{})
	ctx := t.Context()
	it, err := s.Get(ctx, "k")
	require.NoError(t, err)
	require.Nil(t, it.Value)
	require.NoError(t, s.Create(ctx, "k", []byte("1")))
	require.ErrorIs(t, s.Create(ctx, "k", []byte("2")), sidecar.ErrConflict)
	it, err = s.Get(ctx, "k")
	require.NoError(t, err)
	require.NoError(t, s.Replace(ctx, "k", []byte("3"), it.ETag))
	require.ErrorIs(t, s.Replace(ctx, "k", []byte("4"), it.ETag), sidecar.ErrConflict)
	require.ErrorIs(t, s.Replace(ctx, "absent", []byte("4"), "1"), sidecar.ErrConflict)
	many, err := s.GetBulk(ctx, []string{"k", "absent"})
	require.NoError(t, err)
	require.Len(t, many, 1)
	require.Equal(t, "3", string(many["k"].Value))
	require.NoError(t, s.Delete(ctx, "k"))
	require.NoError(t, s.Delete(ctx, "k"))
	require.Empty(t, store.Keys(""))
	require.Error(t, s.Create(ctx, "big", make([]byte, sidecar.MaxValueBytes+1)))
	_, err = s.GetBulk(ctx, make([]string, sidecar.MaxBulkKeys+1))
	require.Error(t, err)
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for fault, want := range map[journaltest.Fault]struct {
			written, failed, waits bool
		}{
			journaltest.None:          {written: true},
			journaltest.FailBefore:    {failed: true},
			journaltest.FailAfter:     {written: true, failed: true},
			journaltest.PlainConflict: {written: true},
			journaltest.Delay:         {written: true, waits: true},
			journaltest.StallLost:     {failed: true, waits: true},
			journaltest.StallLate:     {written: true, failed: true, waits: true},
		} {
			store := journaltest.NewStore()
			client := store.Client("a", journaltest.Faults{Script: func(string, string, int) (journaltest.Fault, bool) { return fault, true }})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			err := client.Create(ctx, "k", []byte("1"))
			cancel()
			require.Equal(t, want.failed, err != nil, "fault %d: %v", fault, err)
			require.Equal(t, want.waits, time.Since(began) > 0, "fault %d", fault)
			if fault == journaltest.StallLate {
				require.Nil(t, store.Value("k"))
			}
			<-time.After(time.Second)
			require.Equal(t, want.written, store.Value("k") != nil, "fault %d", fault)
			if fault == journaltest.PlainConflict {
				err := client.Create(t.Context(), "k", []byte("1"))
				require.Error(t, err)
				require.False(t, errors.Is(err, sidecar.ErrConflict))
			}
		}
	})
}

func TestFaultsFollowTheSeed(t *testing.T) {
	run := func(seed uint64) (list []bool) {
		client := journaltest.NewStore().Client("a", journaltest.Faults{Seed: seed, FailBefore: .5})
		for range 64 {
			_, err := client.Get(t.Context(), "k")
			list = append(list, err != nil)
		}
		return list
	}
	require.Equal(t, run(1), run(1))
	require.NotEqual(t, run(1), run(2))
}

func TestCutAndPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.NewStore()
		client := store.Client("a", journaltest.Faults{})
		client.Pause()
		client.Pause()
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			done <- client.Create(ctx, "k", []byte("1"))
		}()
		<-time.After(time.Hour)
		require.Nil(t, store.Value("k"))
		client.Resume()
		client.Resume()
		require.NoError(t, <-done, "a paused process does not notice its deadline")
		require.NotNil(t, store.Value("k"))
		client.Cut()
		client.Cut()
		_, err := client.Get(t.Context(), "k")
		require.ErrorIs(t, err, journaltest.ErrCut)
	})
}
