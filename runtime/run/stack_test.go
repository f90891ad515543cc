package run

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorder keeps the events of a stack.
type recorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *recorder) note(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// index of the first event of a process and kind, -1 if there is none yet.
func (r *recorder) index(process string, kind EventKind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.events {
		if e.Process == process && e.Kind == kind {
			return i
		}
	}
	return -1
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := make([]string, len(r.events))
	for i, e := range r.events {
		lines[i] = e.String()
	}
	return strings.Join(lines, "\n")
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestStartOrderAndShutdown(t *testing.T) {
	var seen recorder
	s := newStack(t, runFile(t, []string{"broker", "sandbox"}, []string{"order", "notify"}, ""),
		func(o *Options) { o.OnEvent = seen.note })
	ctx := deadline(t)
	require.NoError(t, s.Start(ctx))

	assert.Less(t, seen.index("broker", EventReady), seen.index("sandbox", EventStarting), "infra starts one by one")
	for _, name := range []string{"order", "order.daprd", "notify", "notify.daprd"} {
		assert.Less(t, seen.index("sandbox", EventReady), seen.index(name, EventStarting), name)
	}
	var pids []int
	ports := map[int]string{}
	for _, p := range s.Processes() {
		assert.Equal(t, StateReady, p.State, p.Name)
		pids = append(pids, p.PID)
		for _, n := range []int{p.Ports.App, p.Ports.Internal, p.Ports.DaprHTTP, p.Ports.DaprGRPC, p.Ports.DaprInternalGRPC} {
			if n != 0 {
				assert.Empty(t, ports[n], "port %d is given twice", n)
				ports[n] = p.Name
			}
		}
	}
	require.Len(t, pids, 6)
	snap, err := ReadSnapshot(s.opts.DataDir)
	require.NoError(t, err)
	assert.Equal(t, s.Processes(), snap.Processes)
	raw, err := os.ReadFile(filepath.Join(s.opts.DataDir, stateName))
	require.NoError(t, err)
	assert.NotContains(t, string(raw), s.Tokens().API)
	assert.NotContains(t, string(raw), s.Tokens().App)

	require.NoError(t, s.Stop(ctx))
	for _, pid := range pids {
		assert.False(t, alive(pid), "process %d is left over", pid)
	}
	for _, app := range []string{"order", "notify"} {
		assert.Less(t, seen.index("order", EventStopped), seen.index(app+".daprd", EventStopped))
		assert.Less(t, seen.index(app+".daprd", EventStopped), seen.index("sandbox", EventStopped))
	}
	assert.Less(t, seen.index("sandbox", EventStopped), seen.index("broker", EventStopped))
	_, err = ReadSnapshot(s.opts.DataDir)
	require.ErrorIs(t, err, ErrNotRunning)
	require.Error(t, s.Start(ctx), "a stack starts once")
}

func TestDeathIsSeenAndRestartedOnTheSamePorts(t *testing.T) {
	var seen recorder
	s := newStack(t, runFile(t, nil, []string{"order"}, ""), func(o *Options) { o.OnEvent = seen.note })
	ctx := deadline(t)
	require.NoError(t, s.Start(ctx))
	for _, name := range []string{"order", "order.daprd"} {
		before, _ := s.Process(name)
		other := "order.daprd"
		if name == other {
			other = "order"
		}
		otherBefore, _ := s.Process(other)
		require.NoError(t, s.Kill(name, syscall.SIGKILL))
		require.NoError(t, s.Ready(ctx))
		after, _ := s.Process(name)
		otherAfter, _ := s.Process(other)
		assert.NotEqual(t, before.PID, after.PID)
		assert.Equal(t, before.Ports, after.Ports)
		assert.Equal(t, 1, after.Restarts)
		assert.Equal(t, otherBefore.PID, otherAfter.PID, "the other of the pair is left alone")
		assert.Contains(t, seen.text(), name+" died (signal: killed), restarting in 0.5s (1 of 5 in the last minute)")
	}
}

func TestGivesUpAfterTooManyDeaths(t *testing.T) {
	var seen recorder
	s := newStack(t, runFile(t, []string{"broker"}, []string{"order", "notify"}, ""), func(o *Options) {
		o.OnEvent = seen.note
		o.DeathsPerMinute = 3
	})
	ctx := deadline(t)
	require.NoError(t, s.Start(ctx))
	for life := range 3 {
		require.Eventually(t, func() bool {
			p, _ := s.Process("order")
			return p.State == StateReady && p.Restarts == life
		}, 30*time.Second, 5*time.Millisecond)
		order, _ := s.Process("order")
		if res, err := http.Get(order.URL + "/die"); err == nil {
			_ = res.Body.Close()
		}
	}
	select {
	case <-s.Done():
	case <-ctx.Done():
		t.Fatal("did not give up")
	}
	assert.Contains(t, seen.text(), "order died (exit status 3), restarting in 1s (2 of 3 in the last minute)")
	require.Error(t, s.Err())
	assert.Contains(t, s.Err().Error(), "order died 3 times within a minute, giving up")
	assert.Contains(t, s.Err().Error(), "exit status 3")
	assert.Contains(t, s.Err().Error(), "boom")
	for _, p := range s.Processes() {
		assert.Zero(t, p.PID, p.Name)
	}
	require.Error(t, s.Ready(ctx))
	require.ErrorIs(t, s.StopProcess(ctx, "notify"), ErrStopped)
}

func TestSidecarThatFailsToStartSaysWhy(t *testing.T) {
	s := newStack(t, runFile(t, nil, []string{"order"}, ""), func(o *Options) {
		o.Env = map[string]string{"FAKE_DAPRD": "fail"}
	})
	err := s.Start(deadline(t))
	require.Error(t, err)
	assert.Contains(t, err.Error(), "order.daprd ended before it was ready (exit status 1)")
	assert.Contains(t, err.Error(), `Fatal error from runtime: component "state" is broken`)
	assert.NotContains(t, err.Error(), "\n")
	assert.Zero(t, s.Processes()[0].PID)
}

func TestSidecarMayFindItsComponentsBusy(t *testing.T) {
	var seen recorder
	s := newStack(t, runFile(t, nil, []string{"order"}, ""), func(o *Options) {
		o.Env = map[string]string{"FAKE_DAPRD": "busy", "FAKE_BUSY": filepath.Join(t.TempDir(), "busy")}
		o.OnEvent = seen.note
	})
	require.NoError(t, s.Start(deadline(t)))
	assert.Contains(t, seen.text(), "order.daprd died (exit status 1), restarting in 0.5s (1 of")
}

func TestNeverReadyNamesTheProbe(t *testing.T) {
	s := newStack(t, runFile(t, nil, []string{"order"}, ""), func(o *Options) {
		o.Env = map[string]string{"FAKE_ORDER": "never"}
		o.StartTimeout = time.Second
	})
	err := s.Start(deadline(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Contains(t, err.Error(), "order is starting (GET http://127.0.0.1:")
	assert.Contains(t, err.Error(), "503 Service Unavailable: not yet")
}

func TestReadyIsMoreThanHealthy(t *testing.T) {
	s := newStack(t, runFile(t, []string{"broker"}, []string{"order"}, ""), func(o *Options) {
		o.Env = map[string]string{"FAKE_ORDER": "slow", ReadyPathEnv: "/readyz"}
	})
	require.NoError(t, s.Start(deadline(t)), "infrastructure is not asked for the ready path")
	order, _ := s.Process("order")
	said, err := os.ReadFile(order.Log)
	require.NoError(t, err)
	assert.Contains(t, string(said), "slow is ready")
}

func TestHeldDownAndUpAgain(t *testing.T) {
	s := newStack(t, runFile(t, nil, []string{"order", "notify"}, ""), nil)
	ctx := deadline(t)
	require.NoError(t, s.Start(ctx))
	before, _ := s.Process("order")
	for _, down := range []func(context.Context, string) error{s.StopProcess, s.KillProcess} {
		require.NoError(t, down(ctx, "order"))
		held, _ := s.Process("order")
		assert.Equal(t, StateHeld, held.State)
		require.NoError(t, s.Ready(ctx), "what is held down is not waited for")
		_, err := net.Dial("tcp", net.JoinHostPort(loopback, strconv.Itoa(before.Ports.App)))
		require.ErrorIs(t, err, syscall.ECONNREFUSED, "a held port refuses")
		require.Error(t, s.Kill("order", syscall.SIGTERM), "nothing to kill")
		require.NoError(t, s.StartProcess(ctx, "order"))
		require.NoError(t, s.Healthy(ctx, "order"))
	}
	require.NoError(t, s.Restart(ctx, "order.daprd"))
	after, _ := s.Process("order")
	assert.Equal(t, before.Ports, after.Ports)
	assert.Zero(t, after.Restarts, "only deaths count")
	require.Error(t, s.StopProcess(ctx, "nobody"))
}

func TestStubbornAndItsChildrenAreKilled(t *testing.T) {
	s := newStack(t, runFile(t, nil, []string{"order", "notify"}, ""), func(o *Options) {
		o.StopTimeout = 300 * time.Millisecond
		o.AppEnv = map[string]map[string]string{"order": {"FAKE_ORDER": "stubborn"}, "notify": {"FAKE_NOTIFY": "parent"}}
	})
	ctx := deadline(t)
	require.NoError(t, s.Start(ctx))
	order, _ := s.Process("order")
	notify, _ := s.Process("notify")
	raw, err := os.ReadFile(notify.Log)
	require.NoError(t, err)
	m := regexp.MustCompile(`child=(\d+)`).FindSubmatch(raw)
	require.NotNil(t, m)
	child, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	// The app's own death takes its child along, and so does the stop of the stack.
	require.NoError(t, s.Kill("notify", syscall.SIGKILL))
	gone(t, child)
	require.NoError(t, s.Stop(ctx))
	assert.False(t, alive(order.PID))
}

func TestStopWhileStarting(t *testing.T) {
	s := newStack(t, runFile(t, nil, []string{"order"}, ""), func(o *Options) {
		o.Env = map[string]string{"FAKE_ORDER": "never"}
	})
	result := make(chan error, 1)
	go func() { result <- s.Start(deadline(t)) }()
	require.Eventually(t, func() bool {
		p, ok := s.Process("order")
		return ok && p.PID != 0
	}, 20*time.Second, 5*time.Millisecond)
	require.NoError(t, s.Stop(deadline(t)))
	require.ErrorIs(t, <-result, ErrStopped)
}

func TestTwoRunsOfOneFile(t *testing.T) {
	path := runFile(t, []string{"broker"}, []string{"order"}, "    X_PORT: \"9100\"\n    X_URL: http://127.0.0.1:9100/a?b=9100\n    X_DIR: data/x\n    X_OTHER: olddata/x\n")
	ctx := deadline(t)
	a, b := newStack(t, path, nil), newStack(t, path, nil)
	require.NoError(t, a.Start(ctx))
	require.NoError(t, b.Start(ctx))
	for _, s := range []*Stack{a, b} {
		broker, _ := s.Process("broker")
		env := s.Env("order")
		assert.Equal(t, strconv.Itoa(broker.Ports.App), env["X_PORT"])
		assert.Equal(t, broker.URL+"/a?b=9100", env["X_URL"])
		assert.Equal(t, filepath.Join(s.opts.DataDir, "x"), env["X_DIR"])
		assert.Equal(t, "olddata/x", env["X_OTHER"])
		assert.Equal(t, s.opts.DataDir, env[DataDirEnv])
	}
	assert.NotEqual(t, a.Env("order")["X_PORT"], b.Env("order")["X_PORT"])

	second := newStack(t, path, func(o *Options) { o.DataDir = a.opts.DataDir })
	err := second.Start(ctx)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "is in use by another run (process "+strconv.Itoa(os.Getpid())+")")
}

func TestTakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", anyPortAddr)
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	path := runFile(t, []string{"broker"}, nil, "")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(raw), "9100", strconv.Itoa(port))), 0o600))
	s := newStack(t, path, func(o *Options) { o.FreePorts = false })
	err = s.Start(deadline(t))
	require.ErrorContains(t, err, "port "+strconv.Itoa(port)+" is taken")
	require.ErrorContains(t, CheckListen(l.Addr().String()), "port "+strconv.Itoa(port)+" is taken")
}

func TestAnyPortIsOneForTheWholeStack(t *testing.T) {
	s := newStack(t, runFile(t, nil, []string{"order", "notify"}, ""), func(o *Options) {
		o.Env = map[string]string{gatewayEnv: anyPortAddr}
	})
	require.NoError(t, s.Start(deadline(t)))
	addr := s.Env("order")[gatewayEnv]
	assert.NotEqual(t, anyPortAddr, addr)
	assert.Equal(t, addr, s.Env("notify")[gatewayEnv])
	assert.Equal(t, "http://"+addr, s.URLs().Gateway)
}

func TestAnyPortOfAnAppIsOneForEachProcess(t *testing.T) {
	s := newStack(t, runFile(t, nil, []string{"order", "order", "notify"}, ""), func(o *Options) {
		o.Env = map[string]string{"X_ADDR": anyPortAddr}
		o.AppEnv = map[string]map[string]string{"order": {"X_ADDR": anyPortAddr}}
		o.SidecarArgs = []string{"--dapr-block-shutdown-duration", "1s"}
	})
	require.NoError(t, s.Start(deadline(t)))
	given := map[string]bool{}
	for _, name := range []string{"order", "order-2", "notify"} {
		given[s.Env(name)["X_ADDR"]] = true
		args := s.Command(name + sidecarSuffix)
		assert.Equal(t, []string{"--dapr-block-shutdown-duration", "1s"}, args[len(args)-2:])
	}
	assert.Len(t, given, 3)
	assert.NotContains(t, given, anyPortAddr)
}
