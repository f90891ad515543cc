// Command footprint prints how much memory a running shop uses, process by process. scripts/footprint calls it. The
// measure is that of runtime/run/footprint. Exit code 1: no shop runs, or it uses more than --max.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/runtime/run"
	"github.com/sidecart/sidecart/runtime/run/footprint"
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
	Processes []footprint.Usage `json:"processes"`
	TotalPSS  int64             `json:"total_pss_bytes"`
	MaxPSS    int64             `json:"max_pss_bytes,omitempty"`
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
	all, err := footprint.Measure(data)
	if errors.Is(err, run.ErrNotRunning) {
		return report{}, fmt.Errorf("no shop runs on %s: start one with scripts/up, or name its folder with --data", data)
	}
	if err != nil {
		return report{}, err
	}
	r := report{Processes: all}
	for _, u := range all {
		r.TotalPSS += u.PSS
	}
	return r, nil
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
