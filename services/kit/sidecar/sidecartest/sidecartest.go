// Package sidecartest starts the real daprd of .bin/ on a SQLite file, for tests that want the store of a shop and not a
// shop. A test that runs under -short, or where daprd has not been built, is skipped and says so.
package sidecartest

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/sidecar/daprd"
)

const healthyWithin = time.Minute

// Daprd is a running sidecar without an app. It ends with the test.
type Daprd struct {
	*daprd.Process
	t testing.TB
}

// Binary is the daprd of .bin/, or the test is skipped.
func Binary(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts no processes")
	}
	_, here, _, _ := runtime.Caller(0)
	bin := filepath.Join(filepath.Dir(here), "..", "..", "..", "..", ".bin", "daprd")
	if _, err := os.Stat(bin); err != nil {
		t.Skip("no .bin/daprd: build it with scripts/up --build")
	}
	return bin
}

// Start runs a daprd whose state store is the SQLite file, which it creates if it is not there.
func Start(t testing.TB, file string) *Daprd {
	t.Helper()
	bin, dir := Binary(t), t.TempDir()
	component := "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: state}\nspec:\n  type: state.sqlite\n  version: v1\n" +
		"  metadata:\n  - {name: connectionString, value: \"" + file + "\"}\n  - {name: keyPrefix, value: none}\n  - {name: cleanupInterval, value: 0s}\n" +
		"  - {name: busyTimeout, value: 30s}\n  - {name: timeout, value: 60s}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "state.yaml"), []byte(component), 0o600))
	ctx, cancel := context.WithTimeout(context.Background(), healthyWithin)
	defer cancel()
	p, err := daprd.Start(ctx, daprd.Config{Binary: bin, Set: dir, Only: []string{sidecar.StateStore}, AppID: "test"})
	require.NoError(t, err)
	t.Cleanup(p.Stop)
	return &Daprd{p, t}
}

// Restart kills the process and starts another at the same ports and on the same file; it returns when that is healthy.
func (d *Daprd) Restart() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), healthyWithin)
	defer cancel()
	require.NoError(d.t, d.Process.Restart(ctx))
}
