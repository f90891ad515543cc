package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	stateName     = "run.json"
	maxStateBytes = 1 << 20
)

// Snapshot is what run.json says about a running stack. It holds no secrets.
type Snapshot struct {
	PID       int       `json:"pid"` // of the runner
	StartedAt time.Time `json:"started_at"`
	Ready     bool      `json:"ready"` // everything was ready once
	RunFile   string    `json:"run_file"`
	Gateway   string    `json:"gateway,omitempty"`
	Processes []Process `json:"processes"`
}

// writeState replaces the state file. It is for readers outside; a failure to write it stops nothing.
func (s *Stack) writeState() {
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	raw, err := json.MarshalIndent(Snapshot{
		PID: os.Getpid(), StartedAt: s.started, Ready: ready, RunFile: s.opts.File.Path,
		Gateway: s.URLs().Gateway, Processes: s.Processes(),
	}, "", "  ")
	if err != nil {
		return
	}
	path := filepath.Join(s.data.Path, stateName)
	if os.WriteFile(path+".new", raw, privatePerm) == nil {
		_ = os.Rename(path+".new", path)
	}
}

func (s *Stack) removeState() {
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	_ = os.Remove(filepath.Join(s.data.Path, stateName))
}

// ErrNotRunning says that no stack runs on a data folder.
var ErrNotRunning = errors.New("no stack is running")

// ReadSnapshot reads the state of the stack that runs on a data folder; ErrNotRunning if there is none, also when a
// killed runner left its file.
func ReadSnapshot(dataDir string) (Snapshot, error) {
	var snap Snapshot
	path := filepath.Join(dataDir, stateName)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return snap, fmt.Errorf("%w on %s", ErrNotRunning, dataDir)
	}
	if err != nil {
		return snap, fmt.Errorf("state file: %w", err)
	}
	if info.Size() > maxStateBytes {
		return snap, fmt.Errorf("state file %s: %d bytes, at most %d expected", path, info.Size(), maxStateBytes)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return snap, fmt.Errorf("state file: %w", err)
	}
	if err := json.Unmarshal(raw, &snap); err != nil {
		return snap, fmt.Errorf("state file %s: %w", path, err)
	}
	if locked, err := isLocked(dataDir); err != nil || !locked {
		return snap, errors.Join(fmt.Errorf("%w on %s (%s is left over)", ErrNotRunning, dataDir, stateName), err)
	}
	return snap, nil
}

// isLocked tries the lock with a shared claim, which it gives back at once.
func isLocked(dataDir string) (bool, error) {
	f, err := os.Open(filepath.Join(dataDir, lockName))
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK), nil
}
