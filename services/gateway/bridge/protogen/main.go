// Command protogen makes the Go code of the .proto files: `go run ./gateway/bridge/protogen` in the folder services. It
// needs neither protoc nor buf: the files are compiled in this process, and the code is made by the two usual plugins, which are
// tools of this module. A test of this package fails while the checked-in code is not what it would make.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	root := flag.String("root", ".", "the root of the module github.com/sidecart/sidecart/services")
	flag.Parse()
	if err := write(context.Background(), *root); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

// write writes the files and tells their names.
func write(ctx context.Context, root string) error {
	if _, err := os.Stat(filepath.Join(root, sources[0])); err != nil {
		return fmt.Errorf("%s is not the folder services (say --root): %w", root, err)
	}
	files, err := generate(ctx, root)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(root, name), files[name], 0o644); err != nil { //nolint:gosec // source code
			return err
		}
		fmt.Println(name)
	}
	return nil
}
