package harness

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Copies copies the binaries of .bin/ into folder, which must not have them yet, and gives the options that start a
// shop from the copies: a build meanwhile then changes nothing in a long run. more are further programs of .bin/ to copy.
func Copies(folder string, more ...string) ([]Option, error) {
	var options []Option
	for _, name := range append([]string{"daprd", "broker", "sidecart"}, more...) {
		program := filepath.Join(folder, name)
		if err := copyProgram(filepath.Join(Root(), ".bin", name), program); err != nil {
			return nil, fmt.Errorf("scripts/up --build builds what is missing: %w", err)
		}
		options = append(options, WithProgram(name, program))
	}
	return options, nil
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(err, out.Close())
	}
	return out.Close()
}
