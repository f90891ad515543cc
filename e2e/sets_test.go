package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/chaos"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/e2e/matrix"
	"github.com/sidecart/sidecart/runtime/run"
	"github.com/sidecart/sidecart/runtime/servers"
)

// Sets that this machine can run, with the programs of its packages, and those that need a cloud account, which only validation sees
// (services/components). The embedded set's journeys and kills have tests of their own; here it is what the others are compared with.
var (
	runnableSets = []string{"redis", "postgres", "mysql", "kafka"}
	cloudSets    = []string{"aws", "azure", "gcp", "aliyun"}
)

const embedded = "embedded"

// TestEverySet is the swap matrix: on every component set, in both placements, the same binary goes through a run with every process
// killed once, the set's own servers among them, a cold start, the journeys, and the store's conformance suite.
//
// SIDECART_E2E_SETS=redis,postgres chooses sets, "all" wants all of them; a set that is chosen and cannot run fails, otherwise it is
// skipped and says why. SIDECART_WRITE_MATRIX=1 also compares speeds and writes the table of all sets into docs/component-sets.md.
func TestEverySet(t *testing.T) {
	harness.SkipIfShort(t)
	table := matrix.New()
	write := os.Getenv("SIDECART_WRITE_MATRIX") == "1"
	sets, wanted := chosenSets(write)
	if write {
		require.Equal(t, slices.Concat([]string{embedded}, runnableSets), sets, "the table in the document is of every set: do not set SIDECART_E2E_SETS")
		require.Equal(t, []harness.Placement{harness.One, harness.Split}, harness.Placements(), "and of both placements")
	}
	programs := t.TempDir()
	copies, err := harness.Copies(programs) // a build meanwhile changes nothing here
	require.NoError(t, err)
	t.Run("cells", func(t *testing.T) {
		for _, set := range sets {
			t.Run(set, func(t *testing.T) {
				t.Parallel()
				if _, err := servers.Check(setFolder(set), os.Getenv); err != nil {
					require.False(t, wanted, "%v", err)
					table.Skip(set, err.Error())
					t.Skip(err)
				}
				harness.Each(t, func(t *testing.T, p harness.Placement) {
					t.Parallel()
					s := harness.Open(t, p, slices.Concat(chaos.Options(), copies, []harness.Option{
						harness.WithSet(set),
						// The suite's own topic, for a broker that makes none by itself.
						harness.WithAppEnv("broker", "SIDECART_TOPICS", "inventory,order,payment,notify,account,conformance"),
					})...)
					cell(t, table, set, s)
					if p == harness.One { // the store is the same in every placement
						found := conformance(t, s, set, programs)
						assert.NotEqual(t, "unsafe", found.Verdict, "%s", found.Words)
						table.Conformance(set, found.String())
					}
				})
			})
		}
	})
	if write && !t.Failed() {
		table.Note("Written " + time.Now().UTC().Format("2006-01-02 15:04 UTC") + " on a machine of " + machine(t))
		for _, set := range sets { // one after the other: they share the machine
			table.Speed(set, ordersPerSecond(t, set, copies))
		}
	}
	t.Logf("the matrix:\n%s", table)
	binaries := table.Binaries()
	assert.LessOrEqual(t, len(binaries), 1, "every cell must run the same binary, not %v", binaries)
	if write && !t.Failed() {
		require.NoError(t, table.Write(filepath.Join(harness.Root(), "docs", "component-sets.md")))
	}
}

// cell is one set in one placement, in a shop that nobody has been in.
func cell(t *testing.T, table *matrix.Table, set string, s *harness.Shop) {
	t.Helper()
	began := time.Now()
	table.Servers(set, versions(s))
	lap := func(what string) {
		t.Logf("%s/%s: %s after %.1f s", set, s.Placement, what, time.Since(began).Seconds())
	}
	killed := killAll(t, s)
	lap("killed, balanced, cold-started and balanced again")
	passed := goThrough(t, s)
	delivered := eventsDelivered(t, s)
	assert.Positive(t, delivered, "nothing is delivered: the journeys passed by pulling alone")
	lap(fmt.Sprintf("%d of %d journeys, %.0f events delivered", passed, len(journeys), delivered))
	table.Cell(set, string(s.Placement), passed, len(journeys), killed, !t.Failed())
	table.Binary(set, string(s.Placement), runningBinary(t, s))
}

// eventsDelivered is how many events the broker has handed to the services since they were last started; where all are in one
// process, which subscribes to nothing, how many they have handed to each other.
func eventsDelivered(t *testing.T, s *harness.Shop) (sum float64) {
	t.Helper()
	metric := "sidecart_host_events_total"
	if s.Placement == harness.One {
		metric = "sidecart_host_nearby_events_total"
	}
	urls := s.Stack.URLs()
	for _, p := range s.Stack.Processes() {
		if p.Kind == run.KindApp {
			found, err := harness.Scrape(t.Context(), http.DefaultClient, urls.Internal[p.Name])
			require.NoError(t, err)
			sum += found[metric]
		}
	}
	return sum
}

// chosenSets gives the sets to run and whether they were asked for: then none may be skipped. What is written is asked for.
func chosenSets(write bool) (sets []string, wanted bool) {
	sets = slices.Clone(runnableSets)
	if write {
		sets = slices.Insert(sets, 0, embedded)
	}
	switch chosen := os.Getenv("SIDECART_E2E_SETS"); chosen {
	case "":
		return sets, write
	case "all":
		return sets, true
	default:
		return strings.Split(chosen, ","), true
	}
}

// cannotRun ends a test for which something is missing on this machine: as a failure where all sets were asked for, else as a
// skip that says why.
func cannotRun(t *testing.T, why error) {
	t.Helper()
	require.NotEqual(t, "all", os.Getenv("SIDECART_E2E_SETS"), "%v", why)
	t.Skipf("skipped: %v", why)
}

func setFolder(set string) string { return filepath.Join(harness.Root(), "components", set) }

// TestNoSetIsForgotten: a new folder below components/ is either run here or known to need a cloud.
func TestNoSetIsForgotten(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join(harness.Root(), "components"))
	require.NoError(t, err)
	var there []string
	for _, e := range entries {
		there = append(there, e.Name())
	}
	assert.ElementsMatch(t, slices.Concat([]string{embedded}, runnableSets, cloudSets), there)
}
