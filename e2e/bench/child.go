package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/sidecart/sidecart/runtime/servers"
)

// Bounds of a child's life.
const (
	readyWithin = 60 * time.Second
	stopWithin  = 20 * time.Second
	readyPoll   = 20 * time.Millisecond
	maxLogTail  = 2000 // bytes of what it said, in an error
)

// child is a process of a contender that is not run by the runner. It dies with this process (on Linux).
type child struct {
	name string
	cmd  *exec.Cmd
	log  string
	stop syscall.Signal
	out  io.ReadCloser
	gone chan struct{} // closed when it has ended
}

// spawn starts a process whose output goes to a file of dir; with listen its standard output is left to read from out.
func spawn(p servers.Process, dir string, listen bool) (*child, error) {
	c := &child{name: p.Name, log: filepath.Join(dir, p.Name+".log"), stop: p.Stop, gone: make(chan struct{})}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	c.cmd = exec.Command(p.Argv[0], p.Argv[1:]...)
	c.cmd.Dir, c.cmd.Env = p.Dir, append(os.Environ(), p.Env...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.User.Apply(c.cmd.SysProcAttr)
	dieWithParent(c.cmd.SysProcAttr)
	if listen {
		c.cmd.Stdout = nil
		if c.out, err = c.cmd.StdoutPipe(); err != nil {
			return nil, errors.Join(err, log.Close())
		}
	}
	started := make(chan error)
	go func() {
		// The kernel ends the child with the thread that started it: so the thread stays until then.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		_ = log.Close() // the child has it
		started <- err
		if err != nil {
			return
		}
		awaitExit(c.cmd.Process.Pid)
		// What it leaves of its group goes with it, before its number can be another's.
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		_, _ = c.cmd.Process.Wait() // not cmd.Wait, which would close out under its reader
		close(c.gone)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return c, nil
}

// await asks until the child is ready. Its end, or that of ctx, is an error with the last words of the child.
func (c *child) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.gone:
			return c.fault(errors.New("it ended"))
		case <-ctx.Done():
			return c.fault(errors.Join(ctx.Err(), err))
		}
	}
}

// address reads the line "listening URL" that the child says first.
func (c *child) address() (string, error) {
	line, err := bufio.NewReader(c.out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if err != nil || !ok {
		return "", c.fault(errors.New("it did not say where it listens"))
	}
	return url, nil
}

func (c *child) fault(err error) error {
	words, _ := os.ReadFile(c.log)
	words = words[max(0, len(words)-maxLogTail):]
	return fmt.Errorf("%s: %w: %s", c.name, err, strings.Join(strings.Fields(string(words)), " "))
}

// end asks the child to stop, and after a while makes it.
func (c *child) end() {
	if c.stop == 0 {
		c.stop = syscall.SIGTERM
	}
	_ = c.cmd.Process.Signal(c.stop) // it may be gone
	select {
	case <-c.gone:
	case <-time.After(stopWithin):
		_ = c.cmd.Process.Kill()
		<-c.gone
	}
	if c.out != nil {
		_ = c.out.Close()
	}
}
