package run

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A runner that is killed outright takes every process with it.
func TestKilledRunnerLeavesNothing(t *testing.T) {
	skipIfShort(t)
	data := filepath.Join(t.TempDir(), "data")
	cmd := fakeRunnerOn(t, data, runFile(t, []string{"broker"}, []string{"order"}, ""))
	var snap Snapshot
	require.Eventually(t, func() bool {
		var err error
		snap, err = ReadSnapshot(data)
		return err == nil && snap.Ready
	}, 30*time.Second, 10*time.Millisecond)
	require.Len(t, snap.Processes, 3)
	for _, p := range snap.Processes {
		require.True(t, alive(p.PID), p.Name)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
	for _, p := range snap.Processes {
		gone(t, p.PID)
	}
	_, err := ReadSnapshot(data)
	require.ErrorIs(t, err, ErrNotRunning, "the file of a killed runner counts for nothing")
	require.NoError(t, WipeData(data), "its lock is gone with it")
}
