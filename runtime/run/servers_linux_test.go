package run

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/runtime/servers"
)

// serverVariables are what a component set reads to get each server, and the processes that it then is.
var serverVariables = map[string][]string{
	"SIDECART_REDIS_HOST":    {"redis"},
	"SIDECART_POSTGRES_DSN":  {"postgres"},
	"SIDECART_MYSQL_DSN":     {"mariadb"},
	"SIDECART_RABBITMQ_URL":  {"rabbitmq-epmd", "rabbitmq"},
	"SIDECART_MQTT_URL":      {"mosquitto"},
	"SIDECART_KAFKA_BROKERS": {"kafka"},
}

// lateServers are those that a sidecar does not wait for.
var lateServers = []string{"rabbitmq", "kafka"}

// programs is where scripts/up builds this project's own.
const programs = "../../.bin"

// setReading writes a component set with one component, which reads a variable.
func setReading(t *testing.T, variable string) string {
	t.Helper()
	dir := t.TempDir()
	name := strings.TrimPrefix(variable, "SIDECART_")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "set.yaml"), []byte(`kind: Component
metadata: {name: env}
spec: {type: secretstores.local.env, metadata: [{name: prefix, value: SIDECART_}]}
---
kind: Component
metadata: {name: store}
auth: {secretStore: env}
spec: {type: state.anything, metadata: [{name: address, secretKeyRef: {name: `+name+`, key: `+name+`}}]}
`), 0o600))
	return dir
}

// eachServer runs test for every server whose programs are here, and says which are not.
func eachServer(t *testing.T, test func(t *testing.T, variable, set string)) {
	skipIfShort(t)
	for _, variable := range slices.Sorted(maps.Keys(serverVariables)) {
		t.Run(serverName(variable), func(t *testing.T) {
			t.Setenv(variable, "") // a private one is wanted
			set := setReading(t, variable)
			own, err := servers.Check(set, os.Getenv)
			for _, name := range own {
				if _, e := os.Stat(filepath.Join(programs, name)); err == nil {
					err = e
				}
			}
			if err != nil {
				t.Skipf("skipped: %v", err)
			}
			test(t, variable, set)
		})
	}
}

// serverName is the server's own process, after its helpers.
func serverName(variable string) string {
	names := serverVariables[variable]
	return names[len(names)-1]
}

// serverStack is a stack of one app on the set.
func serverStack(t *testing.T, set, data string) *Stack {
	t.Helper()
	bin, err := filepath.Abs(programs)
	require.NoError(t, err)
	return newStack(t, runFile(t, nil, []string{"order"}, ""), func(o *Options) {
		o.Resources, o.Programs, o.DataDir = []string{set}, bin, data
		o.StartTimeout = 2 * time.Minute // initdb on a busy machine
		o.DeathsPerMinute = 100
		o.OnEvent = func(e Event) { t.Log(e.At.Format("05.000"), e) }
	})
}

func TestPrivateServer(t *testing.T) {
	eachServer(t, func(t *testing.T, variable, set string) {
		data := filepath.Join(t.TempDir(), "data")
		s := serverStack(t, set, data)
		// Five starts of a server that takes its time on a busy machine.
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		require.NoError(t, s.Start(ctx))
		name := serverName(variable)

		var found []string
		for _, p := range s.Processes() {
			if p.Kind == KindServer {
				found = append(found, p.Name)
				assert.Equal(t, StateReady, p.State)
			}
		}
		assert.Equal(t, serverVariables[variable], found)
		assert.NotContains(t, s.URLs().App, name, "it is no app")
		given := s.Servers()
		require.NotEmpty(t, given[variable])
		app, _ := s.Process("order")
		sidecar, _ := s.Process("order" + sidecarSuffix)
		assert.Contains(t, readProc(t, sidecar.PID, "environ"), variable+"="+given[variable])
		assert.NotContains(t, readProc(t, app.PID, "environ"), given[variable], "only sidecars talk to servers")

		keepsItsSecret(t, s, data)
		for _, p := range s.Processes() {
			listensOnLoopback(t, p)
		}

		before, _ := s.Process(name)
		require.NoError(t, s.Kill(name, syscall.SIGKILL))
		require.NoError(t, s.Ready(ctx))
		after, _ := s.Process(name)
		assert.Equal(t, before.Ports, after.Ports)
		assert.NotEqual(t, before.PID, after.PID)

		require.NoError(t, s.StopProcess(ctx, name))
		require.NoError(t, s.Kill("order"+sidecarSuffix, syscall.SIGKILL))
		if slices.Contains(lateServers, name) {
			require.NoError(t, s.Ready(ctx, "order"+sidecarSuffix), "it starts without its broker")
		}
		require.NoError(t, s.StartProcess(ctx, name))
		require.NoError(t, s.Ready(ctx))
		sidecar, _ = s.Process("order" + sidecarSuffix)
		assert.Equal(t, 1, sidecar.Restarts, "it waits for the server and does not die of its absence")

		require.NoError(t, s.Stop(ctx))
		nothingLeft(t, data)

		again := serverStack(t, set, data)
		require.NoError(t, again.Start(ctx), "on the data that is there")
		assert.Equal(t, password(given[variable]), password(again.Servers()[variable]), "the password belongs to the data")
		require.NoError(t, again.Stop(ctx))
	})
}

// A runner that is killed outright takes its servers with it too.
func TestKilledRunnerLeavesNoServer(t *testing.T) {
	eachServer(t, func(t *testing.T, variable, set string) {
		data := filepath.Join(t.TempDir(), "data")
		bin, err := filepath.Abs(programs)
		require.NoError(t, err)
		cmd := fakeRunnerOn(t, data, runFile(t, nil, []string{"order"}, ""), "RUN_SET="+set, "RUN_PROGRAMS="+bin)
		require.Eventually(t, func() bool {
			snap, err := ReadSnapshot(data)
			return err == nil && snap.Ready
		}, 2*time.Minute, 20*time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		nothingLeft(t, data)
	})
}

// A variable that names somebody's own server is passed on, and nothing is started.
func TestOwnServer(t *testing.T) {
	t.Setenv("SIDECART_REDIS_HOST", "redis.example.com:6379")
	s := serverStack(t, setReading(t, "SIDECART_REDIS_HOST"), filepath.Join(t.TempDir(), "data"))
	require.NoError(t, s.Start(deadline(t)))
	assert.Len(t, s.Processes(), 2)
	assert.Empty(t, s.Servers())
	sidecar, _ := s.Process("order" + sidecarSuffix)
	assert.Contains(t, readProc(t, sidecar.PID, "environ"), "SIDECART_REDIS_HOST=redis.example.com:6379")
}

func TestMissingServerIsNamed(t *testing.T) {
	t.Setenv("SIDECART_REDIS_HOST", "")
	s := serverStack(t, setReading(t, "SIDECART_REDIS_HOST"), filepath.Join(t.TempDir(), "data"))
	t.Setenv("PATH", t.TempDir())
	err := s.Start(deadline(t))
	require.ErrorContains(t, err, "apt-get install redis-server")
	require.ErrorContains(t, err, "SIDECART_REDIS_HOST")
}

// Infrastructure that is there for a component type is left out with a set that has none.
func TestNeededBy(t *testing.T) {
	set := setReading(t, "SIDECART_NOTHING")
	for kind, there := range map[string]bool{"state.anything": true, "pubsub.jetstream": false} {
		path := runFile(t, []string{"broker"}, []string{"order"}, "")
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		marked := strings.Replace(string(raw), "SIDECART_SIDECAR: none\n", "SIDECART_SIDECAR: none\n      "+NeededByEnv+": "+kind+"\n", 1)
		require.NoError(t, os.WriteFile(path, []byte(marked), 0o600))
		s := newStack(t, path, func(o *Options) { o.Resources = []string{set} })
		require.NoError(t, s.Start(deadline(t)))
		_, found := s.Process("broker")
		assert.Equal(t, there, found, kind)
	}
}

// password is what a variable's value has between the user's name and the address, empty if there is none.
func password(value string) string {
	_, rest, ok := strings.Cut(value, "sidecart:")
	if !ok {
		_, rest, _ = strings.Cut(value, "password=")
	}
	return rest[:min(len(rest), 26)]
}

// keepsItsSecret looks for the passwords of the run where they must not be.
func keepsItsSecret(t *testing.T, s *Stack, data string) {
	t.Helper()
	var secrets []string
	require.NoError(t, filepath.WalkDir(filepath.Join(data, "servers"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() != "password" && e.Name() != ".erlang.cookie" {
			return err
		}
		raw, err := os.ReadFile(path)
		secrets = append(secrets, string(raw))
		return err
	}))
	places := map[string]string{}
	for _, p := range s.Processes() {
		places["the command line of "+p.Name] = readProc(t, p.PID, "cmdline")
		raw, err := os.ReadFile(p.Log)
		require.NoError(t, err)
		places["the log of "+p.Name] = string(raw)
	}
	raw, err := os.ReadFile(filepath.Join(data, stateName))
	require.NoError(t, err)
	places[stateName] = string(raw)
	for _, secret := range secrets {
		for where, text := range places {
			assert.NotContains(t, text, secret, where)
		}
	}
	info, err := os.Stat(filepath.Join(data, "servers", "env"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func readProc(t *testing.T, pid int, name string) string {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	require.NoError(t, err)
	return string(raw)
}

// listensOnLoopback looks at every socket on which the process listens.
func listensOnLoopback(t *testing.T, p Process) {
	t.Helper()
	mine := map[string]bool{}
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID))
	require.NoError(t, err)
	for _, e := range entries {
		if link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", p.PID, e.Name())); err == nil {
			mine[strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")] = true
		}
	}
	sockets := 0
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if os.IsNotExist(err) {
			continue // no IPv6 here
		}
		require.NoError(t, err)
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			const listening = "0A"
			if len(fields) < 10 || fields[3] != listening || !mine[fields[9]] {
				continue
			}
			sockets++
			addr, _, _ := strings.Cut(fields[1], ":")
			assert.True(t, kernelIP(t, addr).IsLoopback(), "%s listens on %s", p.Name, kernelIP(t, addr))
		}
		require.NoError(t, f.Close())
	}
	assert.Positive(t, sockets, "%s listens on nothing", p.Name)
}

// kernelIP reads an address as /proc/net writes it: each 32 bits in the machine's order, which is little-endian here.
func kernelIP(t *testing.T, text string) net.IP {
	t.Helper()
	raw, err := hex.DecodeString(text)
	require.NoError(t, err)
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	return raw
}

// nothingLeft waits until no process has the folder in its command line or its environment.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	var left []string
	if !assert.Eventually(t, func() bool {
		left = nil
		found, err := filepath.Glob("/proc/[0-9]*")
		require.NoError(t, err)
		for _, proc := range found {
			if proc == fmt.Sprintf("/proc/%d", os.Getpid()) {
				continue
			}
			for _, name := range []string{"cmdline", "environ"} {
				// Gone in the meantime, or not ours to read: then it is not what we look for.
				if raw, err := os.ReadFile(filepath.Join(proc, name)); err == nil && strings.Contains(string(raw), dir) {
					left = append(left, strings.ReplaceAll(string(raw), "\x00", " "))
				}
			}
		}
		return len(left) == 0
	}, 30*time.Second, 50*time.Millisecond) {
		t.Logf("left over: %q", left)
	}
}
