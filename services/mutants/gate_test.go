package mutants

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// maxAtATime bounds the mutants that are built and run at the same time.
const maxAtATime = 2

// all is every mutant.
func all() []mutant {
	return slices.Concat(journalMutants, followMutants, kitMutants, stockMutants, moneyMutants, setMutants, deliveryMutants, copyMutants, seenMutants, ownerMutants, accountMutants, doorMutants)
}

func TestEveryMutantIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds a broken variant after another, which takes minutes")
	}
	readTree(t)
	b := bench{module: moduleDir(t), buildWithin: 4 * time.Minute, runWithin: 3 * time.Minute}
	var table table
	t.Cleanup(func() { t.Log(table.String()) })
	seats := make(chan struct{}, maxAtATime)
	for _, m := range all() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat(filepath.Join(b.module, m.needs)); err != nil {
				t.Skipf("no %s: build it with scripts/test or scripts/up", m.needs)
			}
			seats <- struct{}{}
			defer func() { <-seats }()
			v := b.try(t.Context(), t.TempDir(), m)
			table.add(m, v)
			require.Equal(t, caught, v.outcome, "%s\n%s is to be caught by %s in ./%s\n%s", m.why, m.file, m.run, m.suite, v.detail)
		})
	}
}

// This much is checked in a short run too, so that a mutant is noticed to be stale before it is built.
func TestTheListIsWhole(t *testing.T) {
	names, b := map[string]bool{}, bench{module: moduleDir(t)}
	for _, m := range all() {
		require.False(t, names[m.name], "%s is there twice", m.name)
		names[m.name] = true
		require.NotEmpty(t, m.why, m.name)
		require.NotEmpty(t, m.edits, m.name)
		_, err := b.overlay(t.TempDir(), m)
		require.NoError(t, err, m.name)
	}
	require.GreaterOrEqual(t, len(names), 14)
}

// readTree reads every source file of the module. `go test` remembers which files a test has opened: a result that
// it has cached then stands for the very sources that it was of, other packages' included.
func readTree(t *testing.T) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(moduleDir(t), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		_, err = os.ReadFile(path)
		return err
	}))
}

// table is what came of the mutants. Safe for concurrent use.
type table struct {
	mu   sync.Mutex
	rows []string
}

func (t *table) add(m mutant, v verdict) {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := v.test
	if v.outcome != caught {
		by = string(v.outcome)
	}
	t.rows = append(t.rows, fmt.Sprintf("| %s | %s | `%s` %s | %.1f |", m.name, m.why, m.suite, by, v.took.Seconds()))
}

// String is the table in Markdown, in the order of the names.
func (t *table) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(t.rows)
	return fmt.Sprintf("%d mutants\n| mutant | what it would do | caught by | seconds |\n|---|---|---|---|\n%s",
		len(t.rows), strings.Join(t.rows, "\n"))
}
