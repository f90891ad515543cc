package bench

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sidecart/sidecart/runtime/run/footprint"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// usage is what /proc says of one process.
type usage struct {
	parent int
	cpu    time.Duration // user and system, with those of children that have ended and been waited for
}

// CPUTimes adds up user and system time of each of the processes with these ids and its descendants, by the names given here, now. A
// descendant that is named itself is counted there.
func CPUTimes(roots map[string]int) (map[string]time.Duration, error) {
	all, err := everyProcess()
	if err != nil {
		return nil, err
	}
	sums := map[string]time.Duration{}
	for n := range roots {
		sums[n] = 0
	}
	for pid, name := range belongs(all, roots) {
		sums[name] += all[pid].cpu
	}
	return sums, nil
}

// Memory adds up the proportional set sizes of processes and their descendants, in bytes. Not a number if one of them may not be asked:
// those of another user tell only root.
func Memory(roots map[string]int) float64 {
	var sum float64
	for name, pid := range roots {
		u, err := footprint.Of(name, pid)
		if err != nil {
			return math.NaN()
		}
		sum += float64(u.PSS)
	}
	return sum
}

// belongs gives the roots and all their descendants with the name of the nearest root.
func belongs(all map[int]usage, roots map[string]int) map[int]string {
	named := map[int]string{}
	for name, pid := range roots {
		named[pid] = name
	}
	out := map[int]string{}
	for pid := range all {
		for at, steps := pid, 0; at > 0 && steps < len(all); at, steps = all[at].parent, steps+1 {
			if name, ok := named[at]; ok {
				out[pid] = name
				break
			}
		}
	}
	return out
}

func everyProcess() (map[int]usage, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("CPU times are read from /proc, which needs Linux: %w", err)
	}
	all := map[int]usage{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		raw, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		if u, err := parseStat(string(raw)); err == nil {
			all[pid] = u
		}
	}
	if len(all) == 0 {
		return nil, errors.New("CPU times are read from /proc, which has no process here")
	}
	return all, nil
}

// parseStat reads a line of /proc/PID/stat (proc(5)). The name in parentheses may have blanks and parentheses itself.
func parseStat(line string) (usage, error) {
	_, rest, ok := cutLast(line, ") ")
	f := strings.Fields(rest)
	// f[0] is field 3, the state; 4 is the parent; 14 to 17 are utime, stime, cutime, cstime.
	if !ok || len(f) < 15 {
		return usage{}, fmt.Errorf("not a line of /proc/PID/stat: %q", line)
	}
	parent, err := strconv.Atoi(f[1])
	u := usage{parent: parent}
	for _, text := range f[11:15] {
		n, wrong := strconv.ParseInt(text, 10, 64)
		err = errors.Join(err, wrong)
		u.cpu += time.Duration(n) * tick
	}
	return u, err
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
