package footprint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/sidecart/sidecart/runtime/run"
)

// Runner is the name under which the process that started the others is reported.
const Runner = "up"

// Usage is one process with all its descendants (PostgreSQL is many processes); the runner is counted without them. Sizes are bytes.
type Usage struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	PSS  int64  `json:"pss_bytes"`
	RSS  int64  `json:"rss_bytes"`
}

// Measure reads the memory of every process of the stack on a data folder: its runner first, then the processes in the
// order of the run file. The error is run.ErrNotRunning when no stack runs there.
func Measure(dataDir string) ([]Usage, error) {
	snap, err := run.ReadSnapshot(dataDir)
	if err != nil {
		return nil, err
	}
	children := childrenOf()
	var all []Usage
	for _, p := range append([]run.Process{{Name: Runner, PID: snap.PID}}, snap.Processes...) {
		if p.PID == 0 {
			continue // down at the moment
		}
		pids := []int{p.PID}
		if p.Name != Runner {
			pids = family(p.PID, children)
		}
		u, err := usage(p.Name, pids)
		if err != nil {
			return nil, err
		}
		if u.RSS > 0 { // else it has ended since
			all = append(all, u)
		}
	}
	return all, nil
}

// Of reads the memory of one process with all its descendants, under a name. The error says that one of them may not be asked, or that
// this system does not tell; one that has ended counts nothing.
func Of(name string, pid int) (Usage, error) { return usage(name, family(pid, childrenOf())) }

// usage adds up processes, of which the first has the name. Those that have ended count nothing.
func usage(name string, pids []int) (Usage, error) {
	u := Usage{Name: name, PID: pids[0]}
	for _, pid := range pids {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			if _, statErr := os.Stat("/proc/self/smaps_rollup"); statErr != nil {
				return u, errors.New("this system has no /proc/PID/smaps_rollup: the measure needs Linux")
			}
			continue
		}
		if err != nil {
			return u, fmt.Errorf("%s: %w", name, err)
		}
		u.PSS += field(string(rollup), "Pss:")
		u.RSS += field(string(rollup), "Rss:")
	}
	return u, nil
}

// childrenOf gives the children of every process that has some, now.
func childrenOf() map[int][]int {
	children := map[int][]int{}
	found, _ := filepath.Glob("/proc/[0-9]*/status") // the pattern is well formed
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended since
		}
		for line := range strings.Lines(string(text)) {
			if parent, ok := strings.CutPrefix(line, "PPid:"); ok {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
				ppid, _ := strconv.Atoi(strings.TrimSpace(parent))
				children[ppid] = append(children[ppid], pid)
			}
		}
	}
	return children
}

// family is a process and all its descendants, the process first.
func family(pid int, children map[int][]int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[pids[i]]...)
	}
	return pids
}

// field reads one size, which the kernel gives in kB, as bytes; 0 if it is not there.
func field(rollup, name string) int64 {
	for line := range strings.Lines(rollup) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == name {
			kB, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0
			}
			return kB << 10
		}
	}
	return 0
}
