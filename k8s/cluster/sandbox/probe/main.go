// Command probe tells whether this machine can run a sandbox with a pod in it: exit code 0, or sandbox.Unable (3) with the reason on stderr.
// scripts/test asks it before it builds a control plane.
package main

import (
	"fmt"
	"os"

	"github.com/sidecart/sidecart/k8s/cluster/sandbox"
)

func main() {
	os.Exit(sandbox.Main(func() int {
		pod, err := sandbox.NewPod(1, "10.88.0.2")
		if err != nil {
			fmt.Fprintln(os.Stderr, "sandbox:", err)
			return sandbox.Unable
		}
		pod.Close()
		return 0
	}))
}
