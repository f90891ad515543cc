package vitals

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// machine is a Linux with two processors' worth of quota and 1 GiB.
func machine() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"proc/meminfo":                           file("MemTotal:        8388608 kB\nMemFree: 1 kB\n"),
		"proc/self/cgroup":                       file("0::/shop.slice/order\n"),
		"sys/fs/cgroup/shop.slice/memory.max":    file("1073741824\n"),
		"sys/fs/cgroup/shop.slice/order/cpu.max": file("50000 100000\n"),
		"sys/fs/cgroup/shop.slice/cpu.max":       file("max 100000\n"),
		"proc/self/stat":                         file(stat(0)),
		"proc/self/statm":                        file(fmt.Sprintf("100000 %d 0 0 0 0 0\n", (512<<20)/os.Getpagesize())),
	}
}

// stat is a line of /proc/self/stat after so many ticks of CPU; the name is one that somebody chose to be difficult.
func stat(ticks int) string {
	return fmt.Sprintf("1 (a ) b) S 0 1 1 0 -1 4194560 1 0 0 0 %d %d 0 0 20 0 9 0 1 1 1", ticks/2, ticks-ticks/2)
}

func TestReadingsAreSharesOfWhatMayBeUsed(t *testing.T) {
	files, now := machine(), time.Unix(1_800_000_000, 0)
	r := NewReader(files, func() time.Time { return now })
	now = now.Add(10 * time.Second)
	files["proc/self/stat"].Data = []byte(stat(400)) // 4 s of the 5 that half a processor gives in 10
	got := r.Read()
	assert.InDelta(t, 0.8, got.CPU, 1e-9)
	assert.InDelta(t, 0.5, got.Memory, 1e-3, "the group above has the limit")
	assert.Positive(t, got.Goroutines)

	none := NewReader(fstest.MapFS{}, time.Now).Read()
	assert.Equal(t, Unknown, none.CPU)
	assert.Equal(t, Unknown, none.Memory)
}

func TestThisProcessCanBeRead(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc: the signals are of Linux, elsewhere they are unknown")
	}
	at := time.Now()
	r := NewReader(OS(), func() time.Time { at = at.Add(time.Second); return at })
	got := r.Read()
	assert.GreaterOrEqual(t, got.CPU, 0.0)
	assert.Greater(t, got.Memory, 0.0)
	assert.Less(t, got.Memory, 1.0)
}

// A signal that hovers around a bound has one level: what flaps is looked at by nobody, and a readiness that flaps takes a replica away
// again and again.
func TestLevelsDoNotFlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := signals()[0]
		changes, looks := 0, rapid.IntRange(20, 200).Draw(t, "looks")
		for range looks {
			v := rapid.Float64Range(0.87, 0.99).Draw(t, "cpu")
			if s.see(Reading{CPU: v}) {
				changes++
			}
		}
		require.LessOrEqual(t, changes, 2, "up to warning and maybe to danger, and never back")
	})
}

func TestLevelsTakeSeveralLooks(t *testing.T) {
	s := signals()[0]
	see := func(v float64, times int) Level {
		for range times {
			s.see(Reading{CPU: v})
		}
		return s.level
	}
	require.Equal(t, Fine, see(1, risesAfterLooks-1))
	require.Equal(t, Fine, see(0.1, 1))
	require.Equal(t, Fine, see(1, risesAfterLooks-1), "one good look begins anew")
	require.Equal(t, Danger, see(1, 1))
	require.Equal(t, Danger, see(0.1, fallsAfterLooks-1))
	require.Equal(t, Fine, see(0.1, 1))
	require.Equal(t, Warning, see(0.85, risesAfterLooks))
	require.Equal(t, Warning, see(Unknown, 1), "what cannot be read is no danger")
}

// watched is a Watch that is shown the same reading until it has its level.
func watched(t *testing.T, cfg Config, id string, now *time.Time, r Reading) (*Watch, *bytes.Buffer, *prometheus.Registry) {
	t.Helper()
	var logged bytes.Buffer
	reg := prometheus.NewRegistry()
	w, err := New(cfg, Deps{ID: id, Now: func() time.Time { return *now }, Log: slog.New(slog.NewTextHandler(&logged, nil)), Metrics: reg})
	require.NoError(t, err)
	for range risesAfterLooks {
		w.look(t.Context(), r)
	}
	return w, &logged, reg
}

func TestWhatIsUnhealthy(t *testing.T) {
	now := time.Unix(0, 0)
	for name, c := range map[string]struct {
		Reading
		unhealthy float64
		levels    map[string]string
	}{
		"idle":            {Reading{CPU: 0.1, Memory: 0.1}, 0, map[string]string{}},
		"busy":            {Reading{CPU: 0.9}, 0, map[string]string{"cpu": "warning"}},
		"too busy":        {Reading{CPU: 0.99}, 1, map[string]string{"cpu": "danger"}},
		"full":            {Reading{Memory: 0.95}, 1, map[string]string{"memory": "danger"}},
		"pauses alone":    {Reading{GCPause: time.Second}, 0, map[string]string{"gc_pause": "danger"}},
		"a crowd alone":   {Reading{Goroutines: 200_000}, 0, map[string]string{"goroutines": "danger"}},
		"both":            {Reading{GCPause: time.Second, Goroutines: 200_000}, 1, map[string]string{"gc_pause": "danger", "goroutines": "danger"}},
		"nothing is told": {Reading{CPU: Unknown, Memory: Unknown}, 0, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			w, logged, reg := watched(t, Config{}, "a", &now, c.Reading)
			assert.Equal(t, c.levels, w.Levels())
			assert.NoError(t, w.Ready(), "a lone process shows its danger and goes on")
			require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(fmt.Sprintf(`
# HELP sidecart_process_unhealthy 1 while CPU or memory is in danger, or both GC pauses and goroutines are.
# TYPE sidecart_process_unhealthy gauge
sidecart_process_unhealthy %v
`, c.unhealthy)), "sidecart_process_unhealthy"))
			assert.Equal(t, len(c.levels), strings.Count(logged.String(), "another level"), "once for each change, however long it lasts")
		})
	}
}

// TestReplicasInDangerDoNotLeaveTogether is an incident: the load of a sale put every replica over its bound at the same moment, each
// said so truthfully, and the registry had none left.
func TestReplicasInDangerDoNotLeaveTogether(t *testing.T) {
	const replicas = 200
	now := time.Unix(1_800_000_000, 0)
	var all []*Watch
	for n := range replicas {
		w, _, _ := watched(t, Config{Leave: true}, fmt.Sprintf("replica-%d", n), &now, Reading{CPU: 1})
		all = append(all, w)
	}
	rested := map[int]bool{}
	for range turns {
		away := 0
		for n, w := range all {
			if w.Ready() != nil {
				away++
				rested[n] = true
			}
		}
		assert.Less(t, away, replicas/4)
		now = now.Add(turnLasts)
	}
	assert.Len(t, rested, replicas, "each has its turn")
	for range fallsAfterLooks {
		all[0].look(t.Context(), Reading{CPU: 0.1})
	}
	for range turns {
		assert.NoError(t, all[0].Ready(), "it is well again")
		now = now.Add(turnLasts)
	}
}
