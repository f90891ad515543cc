package footprint

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/sidecart/sidecart/runtime/run"
)

// Runner is the name under which the process that started the others is reported.
const Runner = "up"

// Usage is one process. Sizes are bytes.
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
	var all []Usage
	for _, p := range append([]run.Process{{Name: Runner, PID: snap.PID}}, snap.Processes...) {
		if p.PID == 0 {
			continue // down at the moment
		}
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.PID))
		if errors.Is(err, os.ErrNotExist) {
			if _, statErr := os.Stat("/proc/self/smaps_rollup"); statErr != nil {
				return nil, errors.New("this system has no /proc/PID/smaps_rollup: the measure needs Linux")
			}
			continue // ended since
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		all = append(all, Usage{Name: p.Name, PID: p.PID, PSS: field(string(rollup), "Pss:"), RSS: field(string(rollup), "Rss:")})
	}
	return all, nil
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
