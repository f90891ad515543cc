package daprd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Find gives the path of the daprd to run: asked if it is not empty, else the one beside this program, in .bin below the
// working directory, or on the PATH.
func Find(asked string) (string, error) {
	if asked != "" {
		if err := runnable(asked); err != nil {
			return "", fmt.Errorf("daprd %s: %w", asked, err)
		}
		return filepath.Abs(asked)
	}
	var places []string
	if self, err := os.Executable(); err == nil {
		places = append(places, filepath.Join(filepath.Dir(self), "daprd"))
	}
	places = append(places, filepath.Join(".bin", "daprd"))
	for _, place := range places {
		if runnable(place) == nil {
			return filepath.Abs(place)
		}
	}
	if found, err := exec.LookPath("daprd"); err == nil {
		return filepath.Abs(found)
	}
	return "", fmt.Errorf("there is no daprd beside this program, in .bin or on the PATH: build it with scripts/up --build, or name one with --daprd")
}

func runnable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir() || info.Mode()&0o111 == 0:
		return fmt.Errorf("is not a program")
	}
	return nil
}
