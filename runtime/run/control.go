package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

// ErrStopped says that the stack is not running.
var ErrStopped = errors.New("the stack is not running")

// Processes returns a copy of every process's description, in file order, an app before its sidecar.
func (s *Stack) Processes() []Process {
	procs := s.list()
	out := make([]Process, len(procs))
	for i, p := range procs {
		out[i] = p.snapshot()
	}
	return out
}

// Process returns a copy of one process's description.
func (s *Stack) Process(name string) (Process, bool) {
	p, err := s.find(name)
	if err != nil {
		return Process{}, false
	}
	return p.snapshot(), true
}

func (s *Stack) find(name string) (*proc, error) {
	for _, p := range s.list() {
		if p.view.Name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no process %q", name)
}

// Ready blocks until the named processes are running and have been healthy since they started; without names, every process that
// is not held down. It returns an error when ctx ends or the stack gives up, saying what is not ready and why.
func (s *Stack) Ready(ctx context.Context, names ...string) error {
	for _, n := range names {
		if _, err := s.find(n); err != nil {
			return err
		}
	}
	return s.await(ctx, names)
}

func (s *Stack) await(ctx context.Context, names []string) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		missing := s.notReady(names)
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-s.stopping:
			<-s.done
			return cmp.Or(s.Err(), ErrStopped)
		case <-ctx.Done():
			return fmt.Errorf("not ready: %s: %w", s.describe(missing), context.Cause(ctx))
		}
	}
}

// notReady lists the processes of the given names (none: all that are not held down) that are not ready.
func (s *Stack) notReady(names []string) []*proc {
	var out []*proc
	for _, p := range s.list() {
		view := p.snapshot()
		if len(names) > 0 && !slices.Contains(names, view.Name) {
			continue
		}
		if view.State == StateReady && !p.condemned() || len(names) == 0 && view.State == StateHeld {
			continue
		}
		out = append(out, p)
	}
	return out
}

func (s *Stack) describe(missing []*proc) string {
	parts := make([]string, len(missing))
	for i, p := range missing {
		view := p.snapshot()
		parts[i] = fmt.Sprintf("%s is %s", view.Name, view.State)
		p.mu.Lock()
		if p.lastProbe != nil && view.State == StateStarting {
			parts[i] += fmt.Sprintf(" (%v) [log: %s]", p.lastProbe, view.Log)
		}
		p.mu.Unlock()
	}
	return strings.Join(parts, "; ")
}

// stateChanged wakes everybody who waits for a state, and writes the state file.
func (s *Stack) stateChanged() {
	s.mu.Lock()
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	s.writeState()
}

// Kill sends a signal to a process, as anybody on the machine could. If it dies of it, it is started again. After SIGKILL, Ready
// waits for the next life of the process; after other signals it may still see this one.
func (s *Stack) Kill(name string, sig syscall.Signal) error {
	p, err := s.find(name)
	if err != nil {
		return err
	}
	p.mu.Lock()
	in := p.inst
	p.mu.Unlock()
	if in == nil {
		return fmt.Errorf("%s is not running", name)
	}
	if sig == syscall.SIGKILL {
		in.condemned.Store(true)
	}
	return in.signal(sig, false)
}

// StopProcess stops a process (SIGTERM or what its kind wants, a bounded wait, SIGKILL) and keeps it down until StartProcess. Its ports stay taken.
func (s *Stack) StopProcess(ctx context.Context, name string) error {
	return s.command(ctx, name, controlRequest{})
}

// KillProcess kills a process (SIGKILL) and keeps it down until StartProcess.
func (s *Stack) KillProcess(ctx context.Context, name string) error {
	return s.command(ctx, name, controlRequest{signal: syscall.SIGKILL})
}

// StartProcess starts a process that is held down, on the same ports, and returns once it is healthy.
func (s *Stack) StartProcess(ctx context.Context, name string) error {
	if err := s.command(ctx, name, controlRequest{start: true}); err != nil {
		return err
	}
	return s.await(ctx, []string{name})
}

// Restart stops a process, starts it again and returns once it is healthy. It does not count as a death.
func (s *Stack) Restart(ctx context.Context, name string) error {
	if err := s.StopProcess(ctx, name); err != nil {
		return err
	}
	return s.StartProcess(ctx, name)
}

// command hands a request to the goroutine that supervises the process and waits until it is carried out.
func (s *Stack) command(ctx context.Context, name string, r controlRequest) error {
	p, err := s.find(name)
	if err != nil {
		return err
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopping:
		return ErrStopped
	}
	r.reply = make(chan error, 1)
	select {
	case p.control <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopping:
		return ErrStopped
	}
	// Taken: it will be answered, within the bound of a stop.
	return <-r.reply
}
