package journal_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/porttest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// realSidecar is a daprd on a SQLite file that a test can kill and start again at the same ports.
type realSidecar struct {
	t      testing.TB
	bin    string
	args   []string
	cmd    *exec.Cmd
	client *sidecar.Client
}

// sidecars starts n daprds on one SQLite file, or skips the test.
func sidecars(t testing.TB, n int) []*realSidecar {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts no processes")
	}
	bin, err := filepath.Abs("../../../.bin/daprd")
	require.NoError(t, err)
	if _, err := os.Stat(bin); err != nil {
		t.Skip("no .bin/daprd: build it with scripts/up or scripts/test")
	}
	resources := t.TempDir()
	component := "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: state}\nspec:\n  type: state.sqlite\n  version: v1\n" +
		"  metadata:\n  - {name: connectionString, value: \"" + filepath.Join(t.TempDir(), "state.db") + "\"}\n  - {name: keyPrefix, value: none}\n"
	require.NoError(t, os.WriteFile(filepath.Join(resources, "state.yaml"), []byte(component), 0o600))
	config := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte("apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: test}\nspec:\n  nameResolution:\n"+
		"    component: sqlite\n    version: v1\n    configuration: {connectionString: \""+filepath.Join(t.TempDir(), "names.db")+"\"}\n"), 0o600))
	list := make([]*realSidecar, n)
	for i := range list {
		ports := porttest.Free(t, 3)
		s := &realSidecar{t: t, bin: bin, args: []string{"--app-id", fmt.Sprint("journal", i), "--dapr-listen-addresses", "127.0.0.1",
			"--dapr-http-port", strconv.Itoa(ports[0]), "--dapr-grpc-port", strconv.Itoa(ports[1]), "--dapr-internal-grpc-port", strconv.Itoa(ports[2]),
			"--dapr-internal-grpc-listen-address", "127.0.0.1", "--resources-path", resources, "--config", config, "--enable-metrics=false",
			"--scheduler-host-address", "", "--placement-host-address", ""}}
		s.start()
		t.Cleanup(s.kill)
		s.client, err = sidecar.New(sidecar.Config{GRPCPort: ports[1], HTTPPort: ports[0]})
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.client.Close() })
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, s.client.Wait(ctx))
		list[i] = s
	}
	return list
}

func (s *realSidecar) start() {
	s.cmd = exec.Command(s.bin, s.args...)
	require.NoError(s.t, s.cmd.Start())
}

func (s *realSidecar) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// startOn runs a replica on a real sidecar.
func startOn(t testing.TB, s *realSidecar, name string, forSale int, cfg journal.Config) *journal.Journal[*tickets] {
	t.Helper()
	cfg.Service, cfg.Shards = "test", 1
	j, err := journal.New(cfg, box{forSale}, journal.Deps{State: s.client, Writer: name})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	select {
	case <-j.Loaded():
	case <-time.After(time.Minute):
		require.Fail(t, "not loaded within a minute")
	}
	return j
}

// TestSaleOverTheRealSidecar is a sale by two replicas, each beside a daprd of its own on one SQLite file, one of which is
// killed over and over.
func TestSaleOverTheRealSidecar(t *testing.T) {
	const buyers, forSale = 400, 300
	daprds := sidecars(t, 2)
	cfg := journal.Config{MaxBatchCommands: 8, SnapshotEverySegments: 20, CommitWithin: 2 * time.Second}
	replicas := []*journal.Journal[*tickets]{
		startOn(t, daprds[0], "a", forSale, cfg), startOn(t, daprds[1], "b", forSale, cfg),
	}
	var sold, refused atomic.Int64
	var crowd sync.WaitGroup
	for b := range buyers {
		crowd.Go(func() {
			for try := 0; try < 500; try++ {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				_, err := replicas[(b+try)%2].DoShard(ctx, 0, buy{fmt.Sprint(b)})
				cancel()
				switch {
				case err == nil:
					sold.Add(1)
					return
				case errs.HasCode(err, "sold_out"):
					refused.Add(1)
					return
				}
				rest(50 * time.Millisecond)
			}
			t.Errorf("buyer %d got no answer", b)
		})
	}
	for range 3 {
		before := replicas[0].Heads()[0]
		require.Eventually(t, func() bool { return replicas[0].Heads()[0] > before || sold.Load() == forSale }, time.Minute, time.Millisecond)
		daprds[1].kill()
		daprds[1].start()
	}
	crowd.Wait()
	require.EqualValues(t, forSale, sold.Load())
	require.EqualValues(t, buyers-forSale, refused.Load())
	want := picture(startOn(t, daprds[0], "fresh", forSale, cfg).State(0))
	for _, r := range replicas {
		require.Eventually(t, func() bool { return r.Sync(t.Context(), 0) == nil }, time.Minute, 10*time.Millisecond)
		require.Equal(t, want, picture(r.State(0)))
	}
}

// BenchmarkCommitOverDaprd is the commit path over a real sidecar on SQLite with an fsync per commit.
func BenchmarkCommitOverDaprd(b *testing.B) {
	j := startOn(b, sidecars(b, 1)[0], "a", 1<<30, journal.Config{})
	for _, callers := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			var next atomic.Int64
			var crowd sync.WaitGroup
			before := j.Heads()[0]
			run := time.Now().UnixNano()
			b.ResetTimer()
			for range callers {
				crowd.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if _, err := j.DoShard(b.Context(), 0, buy{fmt.Sprintf("%d-%d", run, n)}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			crowd.Wait()
			b.ReportMetric(float64(b.N)/float64(j.Heads()[0]-before), "commands/segment")
		})
	}
}
