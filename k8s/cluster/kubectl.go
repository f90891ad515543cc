package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Kubectl runs kubectl as the administrator and answers what it printed. What it warned of is an error, too: the API server warns of what
// is deprecated, unknown, or would be refused.
func (s *Server) Kubectl(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "kubectl"), append(args, "--kubeconfig="+s.Kubeconfig)...)
	cmd.Env = append(os.Environ(), "HOME="+s.dir) // it keeps a cache there
	cmd.Stdin = strings.NewReader(input)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if err == nil && strings.Contains(complaints.String(), "Warning:") {
		err = fmt.Errorf("it warned")
	}
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaints.String()))
	}
	return out.String(), nil
}

// Apply applies manifests the way the server itself checks and merges them; it refuses fields that it does not know.
func (s *Server) Apply(ctx context.Context, manifests string) (string, error) {
	return s.Kubectl(ctx, manifests, "apply", "--server-side", "--validate=strict", "-f", "-")
}
