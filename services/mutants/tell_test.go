package mutants

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A gate that calls everything caught would be worse than none: it must tell every way of not being caught apart.
func TestTheGateTellsOutcomesApart(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: runs the compiler")
	}
	toy, err := filepath.Abs("testdata/toy")
	require.NoError(t, err)
	for want, m := range map[outcome]mutant{
		caught:   {run: "TestAdd", edits: []edit{{"a + b", "a - b"}}},
		survived: {run: "TestAdd", edits: []edit{{"a * b", "a / b"}}},
		stale:    {run: "TestAdd", edits: []edit{{"return", "panic"}}},
		unbuilt:  {run: "TestAdd", edits: []edit{{"a + b", "a + c"}}},
		untested: {run: "TestSubtract", edits: []edit{{"a + b", "a - b"}}},
		tooSlow:  {run: "TestAdd", edits: []edit{{"return a + b", "for {\n\t}"}}},
		crashed:  {run: "TestAdd", edits: []edit{{"return a + b", "go func() { panic(a + b) }()\n\tselect {}"}}},
	} {
		t.Run(string(want), func(t *testing.T) {
			b := bench{module: toy, buildWithin: time.Minute, runWithin: time.Minute}
			if want == tooSlow {
				b.runWithin = 2 * time.Second
			}
			m.file, m.suite = "toy.go", "."
			v := b.try(t.Context(), t.TempDir(), m)
			require.Equal(t, want, v.outcome, v.detail)
			if want == caught {
				require.Equal(t, "TestAdd", v.test)
			}
		})
	}
}
