// Command dashboards writes the Grafana dashboards of observability/dashboards anew, from e2e/observability. Run it after a change there:
// `go run ./cmd/dashboards` in e2e. A test compares the two.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sidecart/sidecart/e2e/observability"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "dashboards: takes no arguments; writes observability/dashboards/*.json")
		os.Exit(2)
	}
	for _, d := range observability.Dashboards() {
		text, err := d.JSON()
		path := observability.DashboardFile(d.Name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, text, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "dashboards:", err)
			os.Exit(1)
		}
		fmt.Println(path)
	}
}
