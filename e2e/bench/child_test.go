package bench

import (
	"bufio"
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/runtime/servers"
)

func shell(t *testing.T, script string) *child {
	t.Helper()
	c, err := spawn(servers.Process{Name: "shell", Argv: []string{"/bin/sh", "-c", script}, Env: []string{"GREETING=hello"}}, t.TempDir(), true)
	require.NoError(t, err)
	t.Cleanup(c.end)
	return c
}

func TestAChildSaysWhereItListens(t *testing.T) {
	c := shell(t, `echo "listening http://$GREETING"; exec sleep 100`)
	url, err := c.address()
	require.NoError(t, err)
	assert.Equal(t, "http://hello", url)
	asked := 0
	require.NoError(t, c.await(t.Context(), func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	}))
	c.end()
	require.ErrorIs(t, syscall.Kill(c.cmd.Process.Pid, 0), syscall.ESRCH)
}

func TestAChildThatEndsIsToldWithItsLastWords(t *testing.T) {
	c := shell(t, `echo "no such luck" >&2; exit 1`)
	_, err := c.address()
	require.ErrorContains(t, err, "it did not say where it listens")
	err = c.await(t.Context(), func(context.Context) error { return errors.New("not yet") })
	require.ErrorContains(t, err, "shell: it ended: no such luck")
	_, err = spawn(servers.Process{Name: "none", Argv: []string{"/nowhere/none"}}, t.TempDir(), false)
	require.ErrorContains(t, err, "none: ")
}

// redisStub speaks as much of Redis's protocol as setting one option takes; refuse is answered instead if it is not empty.
func redisStub(t *testing.T, refuse string) (address string, heard func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	lines := make(chan []string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		in := bufio.NewScanner(conn)
		var got []string
		for len(got) < 3 && in.Scan() {
			got = append(got, in.Text())
		}
		answer := "+OK\r\n+OK\r\n*2\r\n$11\r\nappendfsync\r\n$8\r\neverysec\r\n"
		if refuse != "" {
			answer = refuse
		}
		_, _ = conn.Write([]byte(answer))
		lines <- got
	}()
	return l.Addr().String(), func() []string { return <-lines }
}

func TestSetFsyncTellsWhatTheServerSays(t *testing.T) {
	address, heard := redisStub(t, "")
	said, err := setFsync(t.Context(), map[string]string{redisVariable: address, redisPassword: "secret"}, FsyncEverysec)
	require.NoError(t, err)
	assert.Equal(t, "Redis appendfsync everysec", said)
	assert.Equal(t, []string{"AUTH secret", "CONFIG SET appendfsync everysec", "CONFIG GET appendfsync"}, heard())

	address, _ = redisStub(t, "-WRONGPASS invalid password\r\n")
	_, err = setFsync(t.Context(), map[string]string{redisVariable: address, redisPassword: "secret"}, FsyncAlways)
	require.ErrorContains(t, err, "WRONGPASS")
	assert.NotContains(t, err.Error(), "secret")
}

func TestPostgresDurabilityIsReadFromItsCommandLine(t *testing.T) {
	p := &private{words: []string{"postgres", "-c", "fsync=on", "-c", "synchronous_commit=off"}}
	assert.Equal(t, "PostgreSQL fsync on, synchronous_commit off", p.postgresDurability())
	assert.Equal(t, "PostgreSQL as it is by default", (&private{}).postgresDurability())
}
