package e2e

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/chaos"
	"github.com/sidecart/sidecart/e2e/harness"
)

// TestFullAndReadOnlyDisk lets the store's disk run full under load and then has it read-only while the sidecar
// starts. Customers are told to come again; nothing that was acknowledged is lost.
func TestFullAndReadOnlyDisk(t *testing.T) {
	harness.SkipIfShort(t)
	t.Parallel()
	const size = "size=48m"
	disk := t.TempDir()
	if err := syscall.Mount("sidecart-test", disk, "tmpfs", 0, size); err != nil {
		t.Skipf("skipped: a small disk of its own needs the right to mount one: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	s := harness.Open(t, harness.One, append(chaos.Options(), harness.WithEnv("SIDECART_STATE_DSN", filepath.Join(disk, "state.db")))...)
	trial, _ := begin(t, s)
	pass(t, loadFor/2)

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	before := trial.Load.Counts()
	harness.Eventually(t, "customers are told to come again", 0, func() error {
		if trial.Load.Counts().Repeats == before.Repeats {
			return errors.New("nobody had to repeat anything on a full disk")
		}
		return nil
	})
	pass(t, loadFor/2)
	require.NoError(t, os.Remove(filler))
	pass(t, loadFor/2)

	const sidecar = "sidecart.daprd"
	require.NoError(t, s.Stack.KillProcess(t.Context(), sidecar))
	require.NoError(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, size))
	require.NoError(t, s.Stack.StartProcess(t.Context(), sidecar))
	pass(t, loadFor/2)
	require.NoError(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT, size))
	// SQLite opened the file to read only, says so at every write, and stays at it: an operator restarts the sidecar.
	require.NoError(t, s.Stack.Restart(t.Context(), sidecar))
	s.AwaitReady(t)
	pass(t, loadFor/2)
	end(t, trial)
}

// fill writes a file until there is no room left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	block := make([]byte, 64<<10)
	for {
		n, err := f.Write(block)
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, io.ErrShortWrite) || err == nil && n < len(block) {
			return
		}
		require.NoError(t, err)
	}
}
