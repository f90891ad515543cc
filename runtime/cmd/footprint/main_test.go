package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/runtime/run"
)

// shop writes the state file of a stack whose only process is this test, and takes the lock that says it runs.
func shop(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	raw, err := json.Marshal(run.Snapshot{PID: os.Getpid(), Ready: true, Processes: []run.Process{
		{Name: "order", PID: os.Getpid()}, {Name: "down"}, {Name: "gone", PID: 1 << 30},
	}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.json"), raw, 0o600))
	lock, err := os.Create(filepath.Join(dir, "run.lock"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = lock.Close() })
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	return dir
}

func execute(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := command()
	cmd.SetOut(&out)
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestMeasuresWhatRuns(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip("skipped: this system has no smaps_rollup")
	}
	dir := shop(t)
	out, err := execute("--data", dir, "--json", "--max", "100000")
	require.NoError(t, err)
	var r report
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Len(t, r.Processes, 2, "the runner and the one process that is there")
	assert.Positive(t, r.Processes[1].PSS)
	assert.Equal(t, r.Processes[0].PSS+r.Processes[1].PSS, r.TotalPSS)

	out, err = execute("--data", dir, "--max", "1")
	require.ErrorContains(t, err, "at most 1 MB wanted")
	assert.Contains(t, out, strconv.Itoa(os.Getpid()))
	assert.Contains(t, out, "total")
}

func TestNothingRuns(t *testing.T) {
	_, err := execute("--data", t.TempDir())
	require.ErrorContains(t, err, "no shop runs on")
	_, err = execute("--max", "-1")
	require.ErrorContains(t, err, "--max")
}
