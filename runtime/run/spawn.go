package run

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sidecart/sidecart/runtime/servers"
)

// logDrain bounds the wait for the last output of a process that has ended; something it left behind could hold its pipe open.
const logDrain = 300 * time.Millisecond

// spawner starts processes from one operating system thread that lives as long as they do. The kernel ties a parent-death signal
// to the thread that forked, not to the process: a child started from an ordinary goroutine would be killed when Go retires that thread.
type spawner struct {
	requests chan spawnRequest
	done     chan struct{}
}

type spawnRequest struct {
	cmd   *exec.Cmd
	reply chan error
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan spawnRequest), done: make(chan struct{})}
	go s.serve()
	return s
}

func (s *spawner) serve() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case r := <-s.requests:
			r.reply <- r.cmd.Start()
		case <-s.done:
			return
		}
	}
}

// close ends the thread's service. Call it when every child is gone.
func (s *spawner) close() { close(s.done) }

// instance is one life of a process.
type instance struct {
	cmd       *exec.Cmd
	logOffset int64
	exited    chan struct{} // closed once it is reaped, its group is gone and its output is written
	exit      string        // how it ended; read after exited

	condemned atomic.Bool // killed by us, and perhaps not dead yet

	mu     sync.Mutex
	reaped bool
}

// spawn starts a process with its output going to the log, as another user if one is given.
func (s *spawner) spawn(argv []string, dir string, env []string, user *servers.User, log *logFile) (*instance, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = childAttributes()
	user.Apply(cmd.SysProcAttr)
	in := &instance{cmd: cmd, logOffset: log.offset(), exited: make(chan struct{})}
	request := spawnRequest{cmd: cmd, reply: make(chan error, 1)}
	s.requests <- request
	err = <-request.reply
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("start: %w", err)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(log, r)
	}()
	go in.reap(r, drained)
	return in, nil
}

func (in *instance) reap(output *os.File, drained <-chan struct{}) {
	zombie := awaitExit(in.cmd.Process.Pid)
	if !zombie {
		_ = in.cmd.Wait()
	}
	in.mu.Lock()
	// What the process started and left behind goes with it.
	_ = syscall.Kill(-in.cmd.Process.Pid, syscall.SIGKILL)
	if zombie {
		_ = in.cmd.Wait()
	}
	in.reaped = true
	in.mu.Unlock()
	in.exit = in.cmd.ProcessState.String()
	select {
	case <-drained:
	case <-time.After(logDrain):
	}
	_ = output.Close()
	close(in.exited)
}

// signal sends to the process, or to its whole group; an ended process is no error.
func (in *instance) signal(sig syscall.Signal, group bool) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.reaped {
		return nil
	}
	pid := in.cmd.Process.Pid
	if group {
		pid = -pid
	}
	if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("signal %s: %w", sig, err)
	}
	return nil
}

// end sends the signal to the group, waits up to the bound, and kills what is left. It returns when the process is gone.
func (in *instance) end(sig syscall.Signal, wait time.Duration) {
	_ = in.signal(sig, true)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-in.exited:
		return
	case <-timer.C:
	}
	_ = in.signal(syscall.SIGKILL, true)
	<-in.exited
}
