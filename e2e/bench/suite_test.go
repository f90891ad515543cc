package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/runtime/servers"
)

const loadArgument = "load"

// TestMain lets this program be the process of the load, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == loadArgument {
		if err := Load(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// clerk is a contender in this process. keep says how many units it writes down for the nth accepted reservation.
func clerk(name string, keep func(n int64) int64) Contender {
	return Contender{Name: name, Keeps: true, start: func(context.Context, Ground, string) (*Running, error) {
		var told, kept, stock atomic.Int64
		mux := http.NewServeMux()
		mux.HandleFunc("PUT /v1/inventory/{sku}", func(http.ResponseWriter, *http.Request) { stock.Store(plenty) })
		mux.HandleFunc("GET /v1/inventory/{sku}", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"received":%d,"available":%d,"reserved":%d}`, stock.Load(), stock.Load()-kept.Load(), kept.Load())
		})
		mux.HandleFunc("POST /v1/inventory/{sku}/reservations", func(w http.ResponseWriter, _ *http.Request) {
			kept.Add(keep(told.Add(1)))
			w.WriteHeader(http.StatusCreated)
		})
		s := httptest.NewServer(mux)
		return &Running{
			Reservations: []string{s.URL}, Durability: "in memory", pids: func() map[string]int { return map[string]int{"own": os.Getpid()} },
			stop: func(context.Context) error { s.Close(); return nil },
		}, nil
	}}
}

func suite(t *testing.T, contenders ...Contender) *Suite {
	self, err := os.Executable()
	require.NoError(t, err)
	return &Suite{
		Contenders: contenders, Rounds: 2, Clients: 2, Warm: 20 * ms, Measure: 100 * ms, Load: []string{self, loadArgument}, Dir: t.TempDir(),
		Tell: func(_ Benchmark, round int, who string, done *Turn) {
			if done != nil {
				t.Logf("round %d %s: told %v, books %+v, void: %v", round, who, done.Told, done.Books, done.Void)
			}
		},
	}
}

func TestATurnOfALiarHasNoFigures(t *testing.T) {
	ownCPU(t)
	// One that forgets its third promise, as one does that answers before it writes.
	s := suite(t, clerk("honest", func(int64) int64 { return 1 }), clerk("forgetful", func(n int64) int64 {
		if n == 3 {
			return 0
		}
		return 1
	}), clerk("greedy", func(n int64) int64 {
		if n == 5 {
			return 2
		}
		return 1
	}), Contender{Name: "absent", start: func(context.Context, Ground, string) (*Running, error) {
		return nil, fmt.Errorf("starting: %w", &servers.MissingError{Program: "absentd", Package: "absent-server", Variable: "ABSENT"})
	}}, Contender{Name: "broken", start: func(context.Context, Ground, string) (*Running, error) {
		return nil, errors.New("no luck")
	}})
	r, err := s.Run(t.Context(), Benchmark{
		Name: "try", Stock: plenty, Who: []string{"honest", "forgetful", "greedy", "absent", "broken"},
		Phases: []Phase{{Label: capacity}, {Label: "half", Clients: 4, Times: 0.5}},
		Goals:  []Goal{over("honest", "forgetful", 1, 2), wait("honest", "half", 99, 1e9, 1e9)},
	})
	require.NoError(t, err)
	for _, turn := range r.Turns {
		assert.Equal(t, turn.Who == "forgetful" || turn.Who == "greedy", turn.Violation, "%s: %v", turn.Who, turn.Void)
		if turn.Who == "honest" {
			require.NoError(t, turn.Void)
			require.Len(t, turn.Figures, 2)
			assert.Contains(t, turn.Figures[0].Parts, "own")
			// A starved machine may answer nothing in so short a window.
			assert.InEpsilon(t, max(turn.Figures[0].PerSecond/2, 1), turn.Figures[1].Offered, 1e-9)
			continue
		}
		assert.Empty(t, turn.Figures)
	}
	assert.Len(t, r.Voids(), 6)
	assert.Len(t, r.Skipped, 1)
	text := r.Markdown(Setting{Command: "scripts/bench try", Machine: "a machine"})
	assert.Contains(t, text, "Skipped: absent: this component set needs absentd")
	assert.Contains(t, text, "VOID: forgetful in round 2 has no figures: lost: ")
	assert.Contains(t, text, "; data and logs are in "+s.Dir)
	assert.Contains(t, text, "VOID: greedy in round 1 has no figures: invented: ")
	assert.Contains(t, text, "VOID: broken in round 1 has no figures: did not start: no luck")
	assert.Regexp(t, `honest ÷ forgetful +\| - +\| 1.00 +\| 2.00 +\| not measured`, text)
	assert.Contains(t, text, TargetMet)
	for i := range r.Turns {
		r.Turns[i].Load = 9
	}
	text = r.Markdown(Setting{Command: "scripts/bench try", Busy: 8})
	assert.Contains(t, text, "not judged (busy machine)")
	assert.NotContains(t, text, TargetMet)
	assert.NotNil(t, r.Chart())
	left, err := os.ReadDir(s.Dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestReservationsAreOpenedBeforeAPhase(t *testing.T) {
	ownCPU(t)
	const open = 2000
	s := suite(t, clerk("honest", func(int64) int64 { return 1 }))
	s.Rounds, s.Fill = 1, 50*ms
	r, err := s.Run(t.Context(), Benchmark{Name: "try", Stock: plenty, Who: []string{"honest"}, Phases: []Phase{{Label: capacity}, {Label: "full", Open: open}}})
	require.NoError(t, err)
	require.Len(t, r.Turns, 1)
	require.NoError(t, r.Turns[0].Void)
	assert.Len(t, r.Turns[0].Figures, 2, "what fills is not measured")
	assert.GreaterOrEqual(t, r.Turns[0].Told[Accepted], int64(open))
}

func TestGoalsSayWhatWasMissed(t *testing.T) {
	more, less := Goal{Floor: 0.5, Target: 0.7}, Goal{Floor: 25, Target: 10, Least: true}
	at := func(v float64) Spread { return Spread{N: 1, Median: v} }
	assert.Equal(t, []string{TargetMet, FloorMet, Missed, NotMeasured},
		[]string{more.Verdict(at(0.7)), more.Verdict(at(0.5)), more.Verdict(at(0.49)), more.Verdict(Spread{})})
	assert.Equal(t, []string{TargetMet, FloorMet, Missed}, []string{less.Verdict(at(10)), less.Verdict(at(25)), less.Verdict(at(26))})
	assert.Empty(t, Goal{}.Verdict(at(1)))
}

func TestEveryBenchmarkIsWellFormed(t *testing.T) {
	all := Contenders([]string{"embedded", "redis"})
	names := map[string]bool{}
	for _, c := range all {
		names[c.Name] = true
	}
	for _, b := range Benchmarks() {
		assert.NotEmpty(t, b.choose(all), b.Name)
		assert.Zero(t, b.Phases[0].Times, "%s: the first phase finds the capacity", b.Name)
		assert.Contains(t, page, "<!-- bench:"+b.Name+" -->", "the page has a place for it")
		for _, g := range b.Goals {
			assert.Equal(t, NotMeasured, g.Verdict(g.of(Result{Rounds: 2})), "%s: %s", b.Name, g.What)
		}
	}
	assert.True(t, names["sidecart/redis"] && names["dapr/embedded"])
}

func TestPageKeepsWhatPeopleWrote(t *testing.T) {
	dir := t.TempDir()
	b := Benchmark{Name: "reserve", Phases: []Phase{{Label: capacity}}}
	s := Setting{Command: "scripts/bench reserve"}
	require.NoError(t, WritePage(dir, []Result{{Benchmark: b, Rounds: 1, Clients: 256, Began: time.Unix(0, 0)}}, s))
	path := filepath.Join(dir, pageName)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(raw, "\nWhy the target is missed.\n"...), 0o600))
	s.Command = "scripts/bench --rounds 9 reserve"
	require.NoError(t, WritePage(dir, []Result{{Benchmark: b, Rounds: 9, Clients: 256, Began: time.Unix(0, 0)}}, s))
	raw, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(raw), "Why the target is missed.")
	assert.Contains(t, string(raw), "`scripts/bench --rounds 9 reserve`")
	assert.NotContains(t, string(raw), "`scripts/bench reserve`")
	require.NoError(t, os.WriteFile(path, []byte("# nothing"), 0o600))
	require.ErrorContains(t, WritePage(dir, []Result{{Benchmark: b}}, s), "<!-- bench:reserve -->")
}
