// Package sidecartest starts the real daprd of .bin/ on a SQLite file, for tests that want the store of a shop and not a
// shop. A test that runs under -short, or where daprd has not been built, is skipped and says so.
package sidecartest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

const healthyWithin = time.Minute

// Daprd is a running sidecar without an app. It ends with the test.
type Daprd struct {
	*sidecar.Client
	GRPCPort int

	t    testing.TB
	args []string
	cmd  *exec.Cmd
}

// Start runs a daprd whose state store is the SQLite file, which it creates if it is not there.
func Start(t testing.TB, file string) *Daprd {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts no processes")
	}
	_, here, _, _ := runtime.Caller(0)
	bin := filepath.Join(filepath.Dir(here), "..", "..", "..", "..", ".bin", "daprd")
	if _, err := os.Stat(bin); err != nil {
		t.Skip("no .bin/daprd: build it with scripts/up --build")
	}
	dir := t.TempDir()
	component := "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: state}\nspec:\n  type: state.sqlite\n  version: v1\n" +
		"  metadata:\n  - {name: connectionString, value: \"" + file + "\"}\n  - {name: keyPrefix, value: none}\n  - {name: cleanupInterval, value: 0s}\n" +
		"  - {name: busyTimeout, value: 30s}\n  - {name: timeout, value: 60s}\n"
	require.NoError(t, os.Mkdir(filepath.Join(dir, "components"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "components", "state.yaml"), []byte(component), 0o600))
	config := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte("apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: test}\nspec:\n  nameResolution:\n"+
		"    component: sqlite\n    version: v1\n    configuration: {connectionString: \""+filepath.Join(dir, "names.db")+"\", cleanupInterval: 0s}\n"), 0o600))
	ports := freePorts(t, 3)
	d := &Daprd{t: t, GRPCPort: ports[1], args: []string{bin, "--app-id", "test", "--dapr-listen-addresses", "127.0.0.1",
		"--dapr-http-port", strconv.Itoa(ports[0]), "--dapr-grpc-port", strconv.Itoa(ports[1]), "--dapr-internal-grpc-port", strconv.Itoa(ports[2]),
		"--dapr-internal-grpc-listen-address", "127.0.0.1", "--resources-path", filepath.Join(dir, "components"), "--config", config,
		"--enable-metrics=false", "--scheduler-host-address", "", "--placement-host-address", ""}}
	var err error
	d.Client, err = sidecar.New(sidecar.Config{GRPCPort: ports[1], HTTPPort: ports[0]})
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	d.start()
	t.Cleanup(d.kill)
	return d
}

// Restart kills the process and starts another at the same ports and on the same file; it returns when that is healthy.
func (d *Daprd) Restart() {
	d.t.Helper()
	d.kill()
	d.start()
}

func (d *Daprd) start() {
	d.t.Helper()
	d.cmd = exec.Command(d.args[0], d.args[1:]...)
	require.NoError(d.t, d.cmd.Start())
	ctx, cancel := context.WithTimeout(context.Background(), healthyWithin)
	defer cancel()
	require.NoError(d.t, d.Wait(ctx))
}

func (d *Daprd) kill() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = l.Close() }() // all are held until all are chosen
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}
