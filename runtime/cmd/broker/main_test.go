package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEnvironmentIsEnoughAndOneLineSaysReady(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, w := io.Pipe()
	cmd := command(env(map[string]string{
		"SIDECART_NATS_PORT": "0", "SIDECART_NATS_HTTP_PORT": "0",
		"SIDECART_NATS_DIR": t.TempDir(), "SIDECART_TOPICS": "order,refund",
	}))
	cmd.SetArgs([]string{})
	cmd.SetOut(w)
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()

	line := make([]byte, 512)
	n, err := out.Read(line)
	require.NoError(t, err)
	assert.Regexp(t, `^broker ready nats://127\.0\.0\.1:\d+, health http://127\.0\.0\.1:\d+/healthz, topics order,refund\n$`, string(line[:n]))
	cancel()
	select {
	case err := <-ended:
		assert.NoError(t, err)
	case <-time.After(30 * time.Second):
		assert.Fail(t, "did not end with its context")
	}
}

func TestMalformedPortInTheEnvironmentIsNamed(t *testing.T) {
	err := execute(t, map[string]string{"SIDECART_NATS_PORT": "many"})
	assert.ErrorContains(t, err, `SIDECART_NATS_PORT="many"`)
}

func TestTakenPortIsOneLine(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	port := strconv.Itoa(other.Addr().(*net.TCPAddr).Port)
	err = execute(t, nil, "--port", port, "--http-port", "0", "--store-dir", t.TempDir())
	require.ErrorContains(t, err, "127.0.0.1:"+port)
	assert.NotContains(t, err.Error(), "\n")
}

func TestTopicThatIsNoSubjectIsRefused(t *testing.T) {
	err := execute(t, nil, "--topics", "order,a b", "--store-dir", t.TempDir())
	assert.ErrorContains(t, err, `"a b"`)
}

func execute(t *testing.T, vars map[string]string, args ...string) error {
	t.Helper()
	cmd := command(env(vars))
	cmd.SetArgs(append([]string{}, args...))
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(t.Context())
	assert.False(t, strings.Contains(out.String(), "ready"), out.String())
	return err
}

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}
