package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/chaos"
	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/e2e/rollout"
)

// TestRolloutLosesNothing upgrades a shop under load from the last release to today's programs, as docs/kubernetes.md says:
// everything, at first writing what the last release can read; two apps back again; these forward again; and at last they
// write today's layout. The apps of a round are rolled at the same time, as one apply of new manifests does it, so that both
// releases call each other, follow each other and write to the same journals. In 20 replacements nobody gets an error but
// those that are safe to repeat, no process of today's has to be killed or ends in disorder, none dies, and the books balance.
func TestRolloutLosesNothing(t *testing.T) {
	harness.SkipIfShort(t)
	t.Parallel()
	const replacements = 20
	timing := rollout.Timing{PreStop: time.Second, Block: 20 * time.Second, Grace: 30 * time.Second}
	replicas := map[string]int{"inventory": 2, "order": 2, "gateway": 2, "payment": 1, "notify": 1}
	last, program := lastRelease(t), filepath.Join(harness.Root(), ".bin", "sidecart")
	beside := rollout.Release{Name: "today's, beside the last", Program: program, Env: []string{"SIDECART_SEGMENT_VERSION=1"}}
	today := rollout.Release{Name: "today's", Program: program}

	r := rollout.New(t.TempDir(), timing, replicas, last)
	s := harness.Open(t, harness.Split, append(chaos.Options(), r.Options()...)...)
	require.NoError(t, r.Begin(t.Context(), s))
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	var tally rollout.Tally
	s.Client = client.New(r.Service.URL(), time.Minute).With(s.Keys())
	s.Through(tally.Through)
	trial, _ := begin(t, s)
	pass(t, time.Second)

	replaced, began := 0, time.Now()
	for _, round := range []struct {
		to   rollout.Release
		apps []string
	}{
		{beside, []string{"gateway", "order", "inventory", "payment", "notify"}},
		{last, []string{"order", "inventory"}},
		{beside, []string{"order", "inventory"}},
		{today, []string{"order", "inventory"}},
	} {
		var g errgroup.Group
		done := make([]int, len(round.apps))
		for i, app := range round.apps {
			g.Go(func() (err error) { done[i], err = r.Roll(t.Context(), app, round.to); return err })
		}
		require.NoError(t, g.Wait(), "to %s", round.to.Name)
		for _, n := range done {
			replaced += n
		}
	}
	took, facts := time.Since(began), tally.String()
	pass(t, time.Second)
	end(t, trial)

	assert.Equal(t, replacements, replaced)
	assert.Empty(t, tally.Failures())
	// It was a fifth before sidecars gave their names back, and one in eighty with almost no processor left to the shop.
	assert.Less(t, tally.Repeats(), 0.05, facts)
	for _, told := range r.Disorder() {
		t.Logf("of the last release: %s", told)
	}
	for _, p := range s.Stack.Processes() {
		assert.Zero(t, p.Restarts, "%s died", p.Name)
	}
	t.Logf("%d replacements in %.1f s: %s; a customer waited %s at most, repeats included", replaced, took.Seconds(), facts,
		trial.Load.Counts().Longest.Round(time.Millisecond))
}

// lastRelease is the newest release of the folder releases, built from its commit; the build is kept in .bin/. In a clone
// without that commit it is today's sources under another version: then the test shows that replicas are replaced without loss,
// and TestReadsEveryRelease alone that the formats still fit.
func lastRelease(t *testing.T) rollout.Release {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(releases, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	newest := slices.Max(folders)
	text, err := os.ReadFile(filepath.Join(newest, "commit"))
	require.NoError(t, err)
	commit, name := strings.TrimSpace(string(text)), filepath.Base(newest)
	release := rollout.Release{Name: name, Program: filepath.Join(harness.Root(), ".bin", "sidecart-"+name), Past: true}
	sources := filepath.Join(harness.Root(), "services")
	if exec.Command("git", "-C", harness.Root(), "cat-file", "-e", commit+"^{commit}").Run() == nil {
		if _, err := os.Stat(release.Program); err == nil {
			return release
		}
		folder := t.TempDir()
		shell(t, harness.Root(), fmt.Sprintf("git archive %s services | tar -x -C '%s'", commit, folder))
		sources = filepath.Join(folder, "services")
	} else {
		t.Logf("this clone lacks commit %s: today's sources stand in for release %s", commit, name)
		release = rollout.Release{Name: name + " (stand-in)", Program: release.Program + "-stand-in"}
	}
	// Built beside and renamed, so that what is there is whole.
	next := fmt.Sprintf("%s.%d", release.Program, os.Getpid())
	shell(t, sources, fmt.Sprintf("GOWORK=off go build -trimpath -ldflags '-s -w -X main.version=%s' -o '%s' ./cmd/sidecart && mv '%s' '%s'",
		name, next, next, release.Program))
	return release
}

// shell runs a command line in a folder.
func shell(t *testing.T, folder, line string) {
	t.Helper()
	command := exec.Command("bash", "-o", "pipefail", "-c", line)
	command.Dir = folder
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s\n%s", line, out)
}
