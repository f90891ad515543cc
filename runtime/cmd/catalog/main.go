// Command catalog writes services/components/catalog.json: what Dapr says about each of its component types, in the
// versions that this module's go.mod pins. `sidecart components check` compares component files with it.
//
// It reads two modules' sources and compiles neither: the metadata.yaml files of components-contrib (fields, types,
// allowed values, authentication), and the files of dapr/cmd/daprd/components, which register types under their names.
// Run it after a change of those versions; a test compares.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// defaultOut is where the catalog is kept, seen from the module's folder.
const defaultOut = "../services/components/catalog.json"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:          "catalog",
		Short:        "write what Dapr says about its component types",
		Long:         "Writes the catalog of Dapr's component types that `sidecart components check` uses. Run it in the folder runtime:\n\n  GOWORK=off go run ./cmd/catalog",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := generate(cmd.Context())
			if err != nil {
				return err
			}
			if err := os.WriteFile(out, text, 0o644); err != nil {
				return fmt.Errorf("write the catalog (run this in the folder runtime, or give --out): %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d bytes\n", out, len(text))
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", defaultOut, "file to write")
	return cmd
}

// generate finds the two modules and makes the catalog's text.
func generate(ctx context.Context) ([]byte, error) {
	contrib, err := findModule(ctx, "github.com/dapr/components-contrib")
	if err != nil {
		return nil, err
	}
	dapr, err := findModule(ctx, "github.com/dapr/dapr")
	if err != nil {
		return nil, err
	}
	listed, err := readMetadata(contrib.dir)
	if err != nil {
		return nil, err
	}
	registered, err := readRegistrations(filepath.Join(dapr.dir, "cmd", "daprd", "components"))
	if err != nil {
		return nil, err
	}
	return encode(catalog{Contrib: contrib.version, Dapr: dapr.version, Components: merge(listed, registered)})
}

type module struct{ version, dir string }

// findModule asks the go command where the pinned version of a module is.
func findModule(ctx context.Context, path string) (module, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", path)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return module{}, fmt.Errorf("go list -m %s: %s", path, strings.TrimSpace(string(exit.Stderr)))
		}
		return module{}, fmt.Errorf("go list -m %s: %w", path, err)
	}
	version, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if dir == "" {
		return module{}, fmt.Errorf("the sources of %s are not here: go mod download", path)
	}
	return module{version: version, dir: dir}, nil
}
