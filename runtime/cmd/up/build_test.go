package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// workshop is a repository with one small program in it.
func workshop(t *testing.T) (*builder, target, *bytes.Buffer) {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "services", "go.mod"), "module example.test/x\n\ngo 1.26\n")
	write(t, filepath.Join(root, "services", "cmd", "x", "main.go"), "package main\n\nfunc main() { println(\"one\") }\n")
	require.NoError(t, os.MkdirAll(filepath.Join(root, binName, "stamps"), 0o750))
	var said bytes.Buffer
	b := &builder{root: root, out: &terminal{stdout: &said, stderr: &said}}
	return b, target{name: "x", module: "services", pkg: "./cmd/x", inputs: []string{"."}}, &said
}

func TestBuildsOnlyWhatChanged(t *testing.T) {
	b, x, said := workshop(t)
	stamp := filepath.Join(b.root, binName, "stamps", "x")
	source := filepath.Join(b.root, "services", "cmd", "x", "main.go")
	builds := func() int {
		require.NoError(t, b.build(context.Background(), x, stamp))
		return strings.Count(said.String(), "built x in")
	}
	require.Equal(t, 1, builds())
	require.Equal(t, 1, builds(), "nothing changed")
	write(t, filepath.Join(filepath.Dir(source), "x_test.go"), "package main\n")
	require.Equal(t, 1, builds(), "a test is no part of the program")
	write(t, source, "package main\n\nfunc main() { println(\"two\") }\n")
	require.Equal(t, 2, builds())
	out, err := exec.Command(filepath.Join(b.root, binName, "x")).CombinedOutput()
	require.NoError(t, err)
	assert.Equal(t, "two\n", string(out))
	require.NoError(t, os.Remove(filepath.Join(b.root, binName, "x")))
	require.Equal(t, 3, builds(), "the program is gone")

	write(t, source, "package main\n\nfunc main() { undefined() }\n")
	err = b.build(context.Background(), x, stamp)
	require.ErrorContains(t, err, "build x: go build failed")
	assert.Contains(t, said.String(), "undefined: undefined")
	require.Error(t, b.build(context.Background(), x, stamp), "a failed build leaves no stamp")

	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, b.build(stopped, x, stamp), context.Canceled)
}

func TestOneBuildAtATime(t *testing.T) {
	b, _, _ := workshop(t)
	unlock, err := b.lock(context.Background())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = b.lock(ctx)
	require.ErrorIs(t, err, context.Canceled)
	unlock()
	again, err := b.lock(context.Background())
	require.NoError(t, err)
	again()
}

func TestNoGoIsSaidInOneLine(t *testing.T) {
	b, x, _ := workshop(t)
	t.Setenv("PATH", t.TempDir())
	err := b.build(context.Background(), x, filepath.Join(b.root, binName, "stamps", "x"))
	require.ErrorContains(t, err, "install Go from https://go.dev/dl")
}

func TestDaprdCarriesItsVersion(t *testing.T) {
	b, x, _ := workshop(t)
	x.carry = daprVersion
	_, err := b.linkFlags(x)
	require.ErrorContains(t, err, "is not in services/go.mod")
	for _, text := range []string{"require (\n\tgithub.com/dapr/dapr v1.2.3\n)\n", "require github.com/dapr/dapr v1.2.3 // x\n"} {
		write(t, filepath.Join(b.root, "services", "go.mod"), text)
		flags, err := b.linkFlags(x)
		require.NoError(t, err)
		assert.Contains(t, flags, "buildinfo.version=1.2.3 ")
	}
}

func TestProgressReadsTheGoTool(t *testing.T) {
	var p progress
	assert.Equal(t, "looking", p.text())
	p.read(strings.NewReader("go: downloading a.test/x v1.0.0\n"))
	assert.Equal(t, "1 modules downloaded", p.text())
	p.read(strings.NewReader("a.test/x\ninternal/abi\n# a.test/x\n./x.go:1:2: wrong\n"))
	assert.Equal(t, "2 packages compiled", p.text())
	assert.Equal(t, []string{"# a.test/x", "./x.go:1:2: wrong"}, p.said)
	assert.Equal(t, "42s", clock(42*time.Second))
	assert.Equal(t, "2:05", clock(125*time.Second))
	assert.Positive(t, compilers())
}

func TestLinkForTheDaprCLI(t *testing.T) {
	b, _, _ := workshop(t)
	require.NoError(t, b.linkForDaprCLI())
	require.NoError(t, b.linkForDaprCLI(), "again is fine")
	write(t, filepath.Join(b.root, binName, "daprd"), "x")
	raw, err := os.ReadFile(filepath.Join(b.root, binName, ".dapr", "bin", "daprd"))
	require.NoError(t, err)
	assert.Equal(t, "x", string(raw))
}
