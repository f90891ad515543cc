package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/chaos"
	"github.com/sidecart/sidecart/e2e/harness"
)

// Bounds of patience in the fault tests. A claim of a process that died ends after 15 s, so coming to rest takes that
// long when one was claimed. A process that dies while both of its shards write a snapshot writes the next after 4 min.
const (
	restWithin   = 90 * time.Second
	strikeWithin = 8 * time.Minute
	loadFor      = 6 * time.Second
	noBrokerFor  = time.Minute
)

// begin lets a small crowd into a shop and gives the trial of it; its seed is logged, and SIDECART_E2E_SEED repeats it.
func begin(t *testing.T, s *harness.Shop) (*chaos.Trial, *rand.Rand) {
	t.Helper()
	seed := uint64(envInt(t, "SIDECART_E2E_SEED", int(time.Now().UnixNano()&0xffffff)))
	t.Logf("seed %d", seed)
	return chaos.Begin(t.Context(), s, chaos.LoadConfig{Customers: 12, Pause: 50 * time.Millisecond, Seed: seed}), rand.New(rand.NewPCG(seed, 2))
}

// end wants the books of a trial to balance.
func end(t *testing.T, trial *chaos.Trial) {
	t.Helper()
	assert.Empty(t, trial.End(t.Context(), restWithin))
	c := trial.Load.Counts()
	t.Logf("%+v in %d segments", c, trial.Scribe.Segments())
	assert.Positive(t, c.Orders, "nobody bought anything: the test shows nothing")
}

// pass waits, under load.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// TestKillUnderLoad kills every process once, in random order and at random moments under load.
func TestKillUnderLoad(t *testing.T) {
	harness.EachAndReplicas(t, func(t *testing.T, p harness.Placement) {
		t.Parallel()
		s := harness.Open(t, p, chaos.Options()...)
		killAll(t, s)
	})
}

// killAll kills every process once, in random order and at random moments under load, wants the books to balance, and tells how
// many it killed.
func killAll(t *testing.T, s *harness.Shop) (killed int) {
	t.Helper()
	trial, rng := begin(t, s)
	left := s.Stack.Processes()
	rng.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
	for _, victim := range left {
		pass(t, time.Duration(300+rng.IntN(500))*time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), strikeWithin)
		require.NoError(t, s.Stack.Ready(ctx, victim.Name))
		cancel()
		s.Kill(t, victim.Name)
	}
	pass(t, loadFor)
	end(t, trial)
	return len(left)
}

// failpoints are the steps at which each app kills itself, one after the other. Trimming comes before the snapshots,
// because a shard whose snapshot was cut off gets its next one, and is trimmed again, only after some minutes; of the
// two shards one is cut off at a chunk and the other at its header. Of the split apps only notify is trimmed in so
// short a time: followers that pass over a journal acknowledge every thousand segments, and nobody but the scribe
// follows notify.
var failpoints = map[string][]string{
	"inventory": {
		"journal/before-commit:20", "journal/after-commit:20", "journal/before-publish:20", "journal/snapshot-chunk", "journal/snapshot-header",
	},
	"order": {
		"journal/before-commit:20", "journal/after-commit:20", "journal/before-publish:20", "archive/after-views", "journal/snapshot-chunk",
		"journal/snapshot-header",
	},
	"payment": {"task/before-call:3", "task/after-call:3", "journal/after-commit:9", "task/after-call:2"},
	"notify":  {"task/before-call:5", "task/after-call:5", "journal/after-commit:9", "task/after-call:2", "journal/trim:3"},
	"sidecart": {
		"journal/before-commit:40", "journal/after-commit:40", "journal/before-publish:40", "task/before-call:5", "task/after-call:5",
		"archive/after-views", "journal/trim:3", "journal/snapshot-chunk", "journal/snapshot-header",
	},
}

// TestKilledAtEveryStep has processes kill themselves between the steps that no store makes one. Of two replicas of
// an app, each step kills the one that gets there first.
func TestKilledAtEveryStep(t *testing.T) {
	harness.EachAndReplicas(t, func(t *testing.T, p harness.Placement) {
		t.Parallel()
		marks := t.TempDir()
		options := append(chaos.Options(), harness.WithProgram("sidecart", harness.Failpoints(t)))
		for app, names := range failpoints {
			options = append(options,
				harness.WithAppEnv(app, "SIDECART_FAILPOINT", strings.Join(names, ",")),
				harness.WithAppEnv(app, "SIDECART_FAILPOINT_ONCE", filepath.Join(marks, app)))
		}
		s := harness.Open(t, p, options...)
		trial, _ := begin(t, s)
		harness.Eventually(t, "every failpoint has struck", strikeWithin, func() error {
			for _, process := range s.Stack.Processes() {
				for i, name := range failpoints[process.Name] {
					if _, err := os.Stat(filepath.Join(marks, process.Name+"."+fmt.Sprint(i))); err != nil {
						return fmt.Errorf("%s of %s has not struck yet", name, process.Name)
					}
				}
			}
			return nil
		})
		end(t, trial)
	})
}

// TestZombies stops a writer and another's sidecar for longer than anybody waits for an answer, the idempotency
// window of this shop included, while replicas go on, and then lets them go on as if nothing had been.
func TestZombies(t *testing.T) {
	harness.SkipIfShort(t)
	t.Parallel()
	const asleep = 18 * time.Second
	s := harness.Open(t, harness.Replicas, chaos.Options()...)
	trial, _ := begin(t, s)
	pass(t, loadFor/2)
	zombies := []string{"inventory", "order-2.daprd"}
	for _, name := range zombies {
		require.NoError(t, s.Stack.Kill(name, syscall.SIGSTOP))
	}
	pass(t, asleep)
	for _, name := range zombies {
		require.NoError(t, s.Stack.Kill(name, syscall.SIGCONT))
	}
	pass(t, loadFor/2)
	end(t, trial)
}

// TestBadBroker: a broker that drops, doubles and reorders 30 % of its messages changes nothing.
func TestBadBroker(t *testing.T) {
	harness.SkipIfShort(t)
	t.Parallel()
	s := harness.Open(t, harness.Split, append(chaos.Options(),
		harness.WithProgram("sidecart", harness.Failpoints(t)), harness.WithEnv("SIDECART_EVENT_FAULTS", "30"))...)
	trial, _ := begin(t, s)
	pass(t, loadFor)
	end(t, trial)
}

// TestNoBroker: without a broker, for a minute of load, followers live by what they pull.
func TestNoBroker(t *testing.T) {
	harness.SkipIfShort(t)
	t.Parallel()
	s := harness.Open(t, harness.Split, chaos.Options()...)
	require.NoError(t, s.Stack.KillProcess(t.Context(), "broker"))
	trial, _ := begin(t, s)
	pass(t, noBrokerFor)
	assert.Empty(t, trial.Rest(t.Context(), restWithin))
	require.NoError(t, s.Stack.StartProcess(t.Context(), "broker")) // what follows is with everything there
	end(t, trial)
}
