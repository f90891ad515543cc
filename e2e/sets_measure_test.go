package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

// Bounds of the comparison of speeds.
const (
	speedBuyers = 64
	speedWarm   = 2 * time.Second
	speedFor    = 6 * time.Second
	speedUnits  = 10_000_000
)

// versions is what a shop's set ran on.
func versions(s *harness.Shop) string {
	var names []string
	for _, p := range s.Stack.Processes() {
		if p.Version != "" {
			names = append(names, p.Version)
		}
	}
	if len(names) == 0 {
		return "SQLite and NATS JetStream, built in"
	}
	return strings.Join(names, ", ")
}

// runningBinary is the hash of the program that the shop's services run, read from the processes themselves: a file may have been
// replaced since.
func runningBinary(t *testing.T, s *harness.Shop) string {
	t.Helper()
	hash := ""
	for _, p := range s.Stack.Processes() {
		if p.Kind != run.KindApp {
			continue
		}
		got := hashFile(t, fmt.Sprintf("/proc/%d/exe", p.PID))
		require.True(t, hash == "" || hash == got, "the processes of one shop run different programs")
		hash = got
	}
	return hash
}

func hashFile(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	require.NoError(t, err)
	return hex.EncodeToString(h.Sum(nil))
}

// machine says how many cores there are and how many wanted them: on a busy machine speeds say little.
func machine(t *testing.T) string {
	t.Helper()
	load := "unknown"
	if raw, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Fields(string(raw))[0]
	}
	return fmt.Sprintf("%d cores with a load average of %s before speeds were compared; a load above the cores makes them a rough guide.",
		runtime.NumCPU(), load)
}

// verdict is what `sidecart components test` says of a set.
type verdict struct {
	Verdict string
	Words   json.RawMessage
	Results []struct{ Name, Outcome string }
}

// String is one cell of the table.
func (v verdict) String() string {
	outcomes, others := map[string]int{}, []string{}
	for _, r := range v.Results {
		outcomes[r.Outcome]++
		if r.Outcome != "pass" {
			others = append(others, r.Name)
		}
	}
	text := fmt.Sprintf("%s: %d of %d", v.Verdict, outcomes["pass"], len(v.Results))
	if len(others) > 0 {
		text += ", not " + strings.Join(others, ", ")
	}
	return text
}

// conformance runs the suite for stores and brokers on what a shop stands on, with the programs of a folder.
func conformance(t *testing.T, s *harness.Shop, set, programs string) verdict {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "sidecart"), "components", "test", setFolder(set), "--json",
		"--daprd", filepath.Join(programs, "daprd"))
	cmd.Env = os.Environ()
	for _, variables := range []map[string]string{s.Stack.Env("sidecart"), s.Stack.Servers()} {
		for name, value := range variables {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	failed := cmd.Run()
	var v verdict
	require.NoError(t, json.Unmarshal([]byte(stdout.String()), &v), "%v: %s %s", failed, stdout.String(), stderr.String())
	require.NoError(t, failed, "%s", stdout.String())
	return v
}

// ordersPerSecond is how many orders a fresh shop on the set takes when a crowd places them as fast as it is answered, every service in
// one process.
func ordersPerSecond(t *testing.T, set string, copies []harness.Option) float64 {
	s := harness.Open(t, harness.One, slices.Concat(copies, []harness.Option{harness.WithSet(set)})...)
	sku := stocked(t, s, speedUnits)
	var placed atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var buyers errgroup.Group
	for range speedBuyers {
		buyers.Go(func() error {
			for ctx.Err() == nil {
				if _, err := s.Place(ctx, uuid.NewString(), basket(sku, 1)); err != nil && ctx.Err() == nil {
					return err
				}
				placed.Add(1)
			}
			return nil
		})
	}
	pass(t, speedWarm)
	before, began := placed.Load(), time.Now()
	pass(t, speedFor)
	n, took := placed.Load()-before, time.Since(began)
	cancel()
	require.NoError(t, buyers.Wait())
	require.NoError(t, s.Stop(t.Context()))
	require.Positive(t, n)
	return float64(n) / took.Seconds()
}
