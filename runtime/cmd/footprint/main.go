// Command footprint prints how much memory a running shop uses, process by process. scripts/footprint calls it.
//
// The measure is the proportional set size: a page that n processes share counts 1/n in each, so the sum is what the shop
// takes from the machine. It reads the runner's state file and /proc, so it needs Linux and a shop started by
// scripts/up. Exit code 1: no shop runs, or it uses more than --max.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/runtime/run"
)

const mb = 1 << 20

func main() {
	if err := command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "footprint:", err)
		os.Exit(1)
	}
}

// report is what --json prints. Sizes are bytes.
type report struct {
	Processes []usage `json:"processes"`
	TotalPSS  int64   `json:"total_pss_bytes"`
	MaxPSS    int64   `json:"max_pss_bytes,omitempty"`
}

type usage struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	PSS  int64  `json:"pss_bytes"`
	RSS  int64  `json:"rss_bytes"`
}

func command() *cobra.Command {
	var data, fallback string
	var maxMB int64
	var asJSON bool
	cmd := &cobra.Command{
		Use:           "scripts/footprint",
		Short:         "Prints how much memory a running shop uses, process by process",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if maxMB < 0 {
				return fmt.Errorf("--max %d: want a size in MB", maxMB)
			}
			if data == "" {
				data = fallback
			}
			r, err := measure(data)
			if err != nil {
				return err
			}
			r.MaxPSS = maxMB * mb
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			} else {
				err = r.print(cmd.OutOrStdout())
			}
			if err == nil && maxMB > 0 && r.TotalPSS > r.MaxPSS {
				err = fmt.Errorf("%.1f MB used, at most %d MB wanted", float64(r.TotalPSS)/mb, maxMB)
			}
			return err
		},
	}
	cmd.CompletionOptions.DisableDefaultCmd = true
	f := cmd.Flags()
	f.StringVar(&data, "data", os.Getenv("SIDECART_DATA"), "the shop's data folder (default .data, or $SIDECART_DATA)")
	f.Lookup("data").DefValue = ""
	f.Int64Var(&maxMB, "max", 0, "exit with 1 if all processes together use more than this many MB")
	f.BoolVar(&asJSON, "json", false, "print JSON, sizes in bytes")
	f.StringVar(&fallback, "default-data", ".data", "")
	_ = f.MarkHidden("default-data")
	return cmd
}

// measure reads the memory of every process of the stack on a data folder, and of its runner.
func measure(data string) (report, error) {
	snap, err := run.ReadSnapshot(data)
	if errors.Is(err, run.ErrNotRunning) {
		return report{}, fmt.Errorf("no shop runs on %s: start one with scripts/up, or name its folder with --data", data)
	}
	if err != nil {
		return report{}, err
	}
	var r report
	for _, p := range append([]run.Process{{Name: "up", PID: snap.PID}}, snap.Processes...) {
		if p.PID == 0 {
			continue // down at the moment
		}
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.PID))
		if errors.Is(err, os.ErrNotExist) {
			if _, statErr := os.Stat("/proc/self/smaps_rollup"); statErr != nil {
				return report{}, errors.New("this system has no /proc/PID/smaps_rollup: the measure needs Linux")
			}
			continue // ended since
		}
		if err != nil {
			return report{}, fmt.Errorf("%s: %w", p.Name, err)
		}
		u := usage{Name: p.Name, PID: p.PID, PSS: field(string(rollup), "Pss:"), RSS: field(string(rollup), "Rss:")}
		r.TotalPSS += u.PSS
		r.Processes = append(r.Processes, u)
	}
	return r, nil
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

func (r report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "PROCESS\tPID\tPSS MB\tRSS MB\t")
	for _, u := range r.Processes {
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t\n", u.Name, u.PID, float64(u.PSS)/mb, float64(u.RSS)/mb)
	}
	fmt.Fprintf(w, "total\t\t%.1f\t\t\n", float64(r.TotalPSS)/mb)
	return w.Flush()
}
