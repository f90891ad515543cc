package cluster_test

import (
	"os"
	"testing"

	"github.com/sidecart/sidecart/k8s/cluster/sandbox"
)

// TestMain runs the tests in a sandbox. In a pod of it this same program is what a test runs in the place of a container (inside_test.go).
func TestMain(m *testing.M) {
	if part, ok := insidePart(); ok {
		os.Exit(part())
	}
	os.Exit(sandbox.Main(m.Run))
}
