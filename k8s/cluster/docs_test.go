package cluster_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fiveCommands does what docs/kubernetes.md tells whoever begins: its five commands as they stand there, in a cluster that has Dapr. Only
// kubectl's port-forward, which needs a node's agent, is a forward of ours.
func (w *world) fiveCommands(t *testing.T) {
	for _, program := range []string{"bash", "curl", "openssl"} {
		_, err := exec.LookPath(program)
		require.NoError(t, err, "docs/kubernetes.md uses it: install it")
	}
	commands := w.readCommands(t)
	require.Len(t, commands, 5)
	up := strings.Split(commands[3], " && ")
	require.Len(t, up, 3)
	const forward = "(kubectl -n sidecart port-forward service/gateway 8080:80 &)"
	require.Equal(t, forward, up[2])

	o := readOverlay(t, w, filepath.Join(w.root, "k8s", "overlays", "one"))
	defer o.remove(t)
	for _, command := range append(commands[:3], up[0]) {
		w.shell(t, command)
	}
	placed := o.place(t, o.pods(t))
	o.start(t, placed)
	w.shell(t, up[1])
	forwardTo(t, net.JoinHostPort(gateway(placed).IP(), "8080"))
	assert.Contains(t, w.shell(t, commands[4]), `"status":"awaiting_payment"`)
	t.Log("the five commands of docs/kubernetes.md end with an order")
}

// readCommands reads the page: the block of the section that begins with the namespace, its commands apart by empty lines.
func (w *world) readCommands(t *testing.T) []string {
	text, err := os.ReadFile(filepath.Join(w.root, "docs", "kubernetes.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## A sale in five commands\n")
	require.True(t, found)
	_, block, found := strings.Cut(section, "```text\nkubectl apply -f k8s/base/shop/namespace.yaml\n")
	require.True(t, found)
	block, _, _ = strings.Cut("kubectl apply -f k8s/base/shop/namespace.yaml\n"+block, "\n```")
	return strings.Split(block, "\n\n")
}

// shell runs a command in the repository as the administrator of the cluster.
func (w *world) shell(t *testing.T, command string) string {
	cmd := exec.CommandContext(t.Context(), "bash", "-euc", command)
	cmd.Dir = w.root
	cmd.Env = append(os.Environ(), "PATH="+w.bin+":"+os.Getenv("PATH"), "KUBECONFIG="+w.server.Kubeconfig, "HOME="+t.TempDir())
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, said)
	return string(said)
}

// forwardTo leads port 8080 of the sandbox's loopback to an address.
func forwardTo(t *testing.T, addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:8080")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = near.Close() }()
				far, err := net.Dial("tcp", addr)
				if err != nil {
					return
				}
				defer func() { _ = far.Close() }()
				go func() { _, _ = io.Copy(far, near) }()
				_, _ = io.Copy(near, far)
			}()
		}
	}()
}
