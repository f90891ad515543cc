// Package setfiles finds and reads the files of a component set, as daprd does: those of a folder that end in .yaml or
// .yml, and none below it. What they say is for the caller to understand.
package setfiles

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Bounds of what is read. The largest set that sidecart ships has 8 files of 4 KB.
const (
	maxFiles     = 200
	MaxFileBytes = 1 << 20
)

// List gives the paths of a set's files in the order of their names, none for a folder without any. An error names the
// folder: it cannot be read, or has so many files that it is hardly a set.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("a component set is a folder with one file for each component: %w", err)
	}
	var files []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if len(files) > maxFiles {
		return nil, fmt.Errorf("%s: %d files, the bound is %d: is this the folder of one set?", dir, len(files), maxFiles)
	}
	return files, nil
}

// Read gives the text of a file, at most MaxFileBytes; a larger one is an error that names it.
func Read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(text) > MaxFileBytes {
		return nil, fmt.Errorf("%s: more than %d bytes: no component file is that large", file, MaxFileBytes)
	}
	return text, nil
}
