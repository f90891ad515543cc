package servers

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
)

// program is something that a server needs on this machine.
type program struct {
	name string
	pkg  string   // the Debian package that has it; empty: it is this project's own
	dirs []string // patterns of folders to look in beside the PATH
	// notOnPath says that what has this name on the PATH is something else.
	notOnPath bool
}

// MissingError says that a program is not on this machine.
type MissingError struct {
	Program  string
	Package  string // Debian's; empty for this project's own program
	Variable string // names a server of one's own instead
}

// Error says what to do.
func (e *MissingError) Error() string {
	how := "install it (on Debian: apt-get install " + e.Package + ")"
	if e.Package == "" {
		how = "build it with scripts/up --build"
	}
	return fmt.Sprintf("this component set needs %s, which is not on this machine: %s, or name a server of your own in %s", e.Program, how, e.Variable)
}

// find gives the path of the program.
func (p program) find(s Server, own string) (string, error) {
	if p.pkg == "" {
		if path, err := exec.LookPath(filepath.Join(own, p.name)); err == nil && own != "" {
			return path, nil
		}
		return "", &MissingError{Program: p.name, Variable: s.Variable}
	}
	if path, err := exec.LookPath(p.name); err == nil && !p.notOnPath {
		return path, nil
	}
	for _, pattern := range p.dirs {
		dirs, _ := filepath.Glob(pattern) // the patterns are ours and well formed
		for _, dir := range slices.Backward(dirs) {
			if path, err := exec.LookPath(filepath.Join(dir, p.name)); err == nil {
				return path, nil
			}
		}
	}
	return "", &MissingError{Program: p.name, Package: p.pkg, Variable: s.Variable}
}

// told gives a function that asks a program for its version and puts product before it.
func told(product string, arguments ...string) func(string) string {
	return func(path string) string {
		ctx, cancel := context.WithTimeout(context.Background(), askWithin)
		defer cancel()
		out, err := exec.CommandContext(ctx, path, arguments...).Output()
		if err != nil && len(out) == 0 {
			return ""
		}
		return named(product, string(out))
	}
}

var versionNumber = regexp.MustCompile(`[0-9]+\.[0-9]+(\.[0-9]+)?`)

func named(product, text string) string {
	v := versionNumber.FindString(text)
	if v == "" {
		return ""
	}
	return product + " " + v
}
