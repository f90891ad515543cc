package run

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The test binary plays the processes of a stack: with FAKE in its environment it is an app, a sidecar or a runner.
//
// FAKE_<APP ID> says how an app behaves: "fail" ends at once, "stubborn"
// ignores SIGTERM, "slow" is healthy before it is ready (at its fifth question), "parent" leaves a child of its own behind, "never" is never healthy,
// "busy" ends at once in its first life, which it marks in the file FAKE_BUSY.
// Any of them ends when it is asked for /die. FAKE_DAPRD says the same of sidecars.

func TestMain(m *testing.M) {
	switch os.Getenv("FAKE") {
	case "":
		os.Exit(m.Run())
	case "runner":
		os.Exit(fakeRunner())
	default:
		os.Exit(fakeProcess())
	}
}

func fakeProcess() int {
	daprd := slices.Contains(os.Args, "--app-id")
	behaviour := os.Getenv("FAKE_" + strings.ToUpper(os.Getenv("APP_ID")))
	port, token, path, status := os.Getenv("APP_PORT"), os.Getenv("APP_API_TOKEN"), "/healthz", http.StatusOK
	if daprd {
		behaviour = os.Getenv("FAKE_DAPRD")
		port, token, path, status = flagValue("--dapr-http-port"), os.Getenv("DAPR_API_TOKEN"), outboundReady, http.StatusNoContent
	}
	fmt.Println("level=info msg=\"fake started\"")
	if behaviour == "fail" {
		fmt.Println(`time="2026-01-01T00:00:00Z" level=fatal msg="Fatal error from runtime: component \"state\" is broken"`)
		fmt.Println(`time="2026-01-01T00:00:00Z" level=info msg="bye"`)
		return 1
	}
	if behaviour == "busy" {
		if marker, err := os.OpenFile(os.Getenv("FAKE_BUSY"), os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			_ = marker.Close()
			fmt.Println("level=fatal msg=\"database is locked\"")
			return 1
		}
	}
	if behaviour == "parent" {
		child := exec.Command("sleep", "300")
		if err := child.Start(); err != nil {
			return 1
		}
		fmt.Printf("child=%d\n", child.Process.Pid)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, port))
	if err != nil {
		fmt.Println("level=fatal msg=\"" + err.Error() + "\"")
		return 1
	}
	told := make(chan struct{}, 1)
	var questions atomic.Int32
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/die":
			told <- struct{}{}
		case behaviour == "slow" && r.URL.Path == "/readyz" && questions.Add(1) >= 5:
			fmt.Println("slow is ready")
		case r.URL.Path != path, behaviour == "never":
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		case r.Header.Get(tokenHeader) != token:
			http.Error(w, "token", http.StatusUnauthorized)
		default:
			w.WriteHeader(status)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	if behaviour == "stubborn" {
		signal.Ignore(syscall.SIGTERM)
		select {}
	}
	select {
	case <-told:
		fmt.Println("boom")
		return 3
	case <-ctx.Done():
	}
	fmt.Println("level=info msg=\"fake stopped\"")
	return 0
}

func flagValue(name string) string {
	i := slices.Index(os.Args, name)
	if i < 0 || i+1 >= len(os.Args) {
		return ""
	}
	return os.Args[i+1]
}

// fakeRunner runs the stack of RUN_FILE on RUN_DATA (with the component set RUN_SET and own programs in RUN_PROGRAMS) until it is killed or told to stop.
func fakeRunner() int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	err := func() error {
		f, err := Load(os.Getenv("RUN_FILE"))
		if err != nil {
			return err
		}
		// Its children are to be apps and sidecars again, not runners.
		if err := os.Setenv("FAKE", "process"); err != nil {
			return err
		}
		opts := Options{File: f, DataDir: os.Getenv("RUN_DATA"), Daprd: os.Args[0], FreePorts: true, Programs: os.Getenv("RUN_PROGRAMS")}
		if set := os.Getenv("RUN_SET"); set != "" {
			opts.Resources = []string{set}
		}
		s, err := New(opts)
		if err != nil {
			return err
		}
		return s.Run(ctx)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// fakeRunnerOn starts a runner as a process of its own, with more environment if wanted.
func fakeRunnerOn(t *testing.T, data, file string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), append(env, "FAKE=runner", "RUN_DATA="+data, "RUN_FILE="+file)...)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// runFile writes a run file with the given entries (app id → "infra" or "app"), every process a fake.
func runFile(t *testing.T, infra, apps []string, common string) string {
	t.Helper()
	dir := t.TempDir()
	exe, err := os.Executable()
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString("version: 1\ncommon:\n  env:\n    FAKE: process\n    SIDECART_DATA_DIR: data\n" + common + "apps:\n")
	for i, id := range infra {
		fmt.Fprintf(&b, "  - appID: %s\n    appDirPath: .\n    appPort: %d\n    command: [%q]\n    env:\n      SIDECART_SIDECAR: none\n", id, 9100+i, exe)
	}
	for _, id := range apps {
		fmt.Fprintf(&b, "  - appID: %s\n    appDirPath: .\n    command: [%q]\n", id, exe)
	}
	path := filepath.Join(dir, "dapr.yaml")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

// newStack makes a stack of fakes that is stopped, and looked at for leftovers, when the test ends.
func newStack(t *testing.T, path string, change func(*Options)) *Stack {
	t.Helper()
	skipIfShort(t)
	f, err := Load(path)
	require.NoError(t, err)
	exe, err := os.Executable()
	require.NoError(t, err)
	opts := Options{
		File: f, DataDir: filepath.Join(t.TempDir(), "data"), Daprd: exe, FreePorts: true,
		StartTimeout: 30 * time.Second, StopTimeout: 5 * time.Second,
	}
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.Stop(context.Background())
		for _, p := range s.Processes() {
			require.Zero(t, p.PID, "%s is left over", p.Name)
		}
	})
	return s
}

func skipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped by -short: it starts processes")
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// gone waits until a process that is no child of ours has ended; a zombie of another parent counts as ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		if !alive(pid) {
			return true
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 20*time.Second, 10*time.Millisecond, "process %d is left over", pid)
}
