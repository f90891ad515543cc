package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sidecart/sidecart/services/gateway/foreign"
)

// Where the rules are in a configuration store.
const (
	StoreComponent = "configuration"
	StoreItem      = "gateway.yaml"
)

// readFile reads the file at path, which may be a link to another each time, as Kubernetes makes them for a ConfigMap.
func readFile(path string) (text []byte, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("gateway rules: there is no file %s: write one (version: 1 is enough) or name another in SIDECART_GATEWAY_RULES", path)
	case err != nil:
		return nil, fmt.Errorf("gateway rules: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("gateway rules: %s is not a file", path)
	case info.Size() > maxBytes:
		return nil, fmt.Errorf("gateway rules: %s has %d bytes, over %d", path, info.Size(), maxBytes)
	}
	if text, err = os.ReadFile(path); err != nil {
		return nil, fmt.Errorf("gateway rules: %w", err)
	}
	return text, nil
}

// filesOf reads files that a document names, each up to the bound that the section's owner has for them; of what cannot be read there
// is nothing.
func filesOf(paths []string) [][]byte {
	all := make([][]byte, len(paths))
	for i, path := range paths {
		all[i], _ = foreign.Read(path) // the section's owner says what is wrong with it
	}
	return all
}

// Load reads, parses and checks a file.
func Load(path string) (*Document, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}
