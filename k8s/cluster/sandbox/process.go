package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// maxTailBytes is how much of a log Tail shows.
const maxTailBytes = 6 << 10

// Process is a program that was started here. Its methods may be called from any goroutine.
type Process struct {
	Name string
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
	err  error         // how it ended; set before done is closed
}

// Start runs a program of the sandbox itself, with its output in DIR/NAME.log. No environment but env is passed on.
func Start(dir, name, program string, args, env []string) (*Process, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = append([]string{}, env...)
	cmd.Dir = dir
	return start(cmd, dir, name)
}

func start(cmd *exec.Cmd, dir, name string) (*Process, error) {
	p := &Process{Name: name, cmd: cmd, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Ended says how the process ended; nil while it runs.
func (p *Process) Ended() error {
	select {
	case <-p.done:
		if p.err == nil {
			return fmt.Errorf("%s ended with code 0", p.Name)
		}
		return fmt.Errorf("%s ended: %w", p.Name, p.err)
	default:
		return nil
	}
}

// Wait waits for the process to end and answers what it has said.
func (p *Process) Wait(ctx context.Context) (string, error) {
	select {
	case <-p.done:
		return p.Tail(), p.err
	case <-ctx.Done():
		_ = p.cmd.Process.Kill()
		<-p.done
		return p.Tail(), fmt.Errorf("%s was killed: %w", p.Name, ctx.Err())
	}
}

// Stop asks the process to end, kills it if it has not within the time, and waits for its end. The answer is nil if it went by
// itself, with code 0 or by the signal.
func (p *Process) Stop(within time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s was killed: it had not ended within %s", p.Name, within)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGTERM {
			return nil
		}
	}
	return p.err
}

// Tail is the end of what the process has said.
func (p *Process) Tail() string {
	said, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-maxTailBytes):])
}
