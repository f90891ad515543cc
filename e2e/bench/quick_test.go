package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
)

// TestBenchQuick runs every contender for a moment, with real processes: each must start, serve, and keep what it promised. It judges no
// time. A contender whose store is not installed here is named in the log.
func TestBenchQuick(t *testing.T) {
	harness.SkipIfShort(t)
	ownCPU(t)
	programs, folder := t.TempDir(), t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(programs, "peers"), ".")
	build.Dir = filepath.Join(harness.Root(), "e2e", "peers")
	build.Env = append(os.Environ(), "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	options, err := harness.Copies(folder)
	require.NoError(t, err)
	s := suite(t, Contenders([]string{"embedded", "redis"})...)
	s.Ground = Ground{Programs: programs, Options: options, Placement: harness.One, Fsync: FsyncAlways}
	s.Rounds, s.Clients = 1, 8
	for _, b := range Benchmarks() {
		switch b.Name {
		case "reserve", "orders", "sales", "gateway":
		case "overload":
			s.Contenders = s.Contenders[:1]
			s.Profile, s.Measure = t.TempDir(), MinProfiled
		default:
			continue // no other kind of load, and no other contender
		}
		t.Run(b.Name, func(t *testing.T) {
			r, err := s.Run(t.Context(), b)
			require.NoError(t, err)
			for who, why := range r.Skipped {
				t.Logf("skipped: %s: %s", who, why)
			}
			require.NotEmpty(t, r.Turns)
			for _, turn := range r.Turns {
				require.NoError(t, turn.Void, turn.Who)
				assert.Positive(t, turn.Told[Accepted], turn.Who)
				require.Len(t, turn.Figures, len(b.Phases))
			}
			if s.Profile != "" {
				taken, err := filepath.Glob(filepath.Join(s.Profile, b.Name+"-0-sidecart-embedded-capacity-sidecart*.pprof"))
				require.NoError(t, err)
				assert.Len(t, taken, 2*3, "CPU, locks and heap, of the services and of their sidecar")
			}
		})
	}
}
