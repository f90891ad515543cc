package run

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes put a child into a process group of its own (Ctrl-C in a terminal then reaches only the runner, which stops
// things in order) and ask the kernel to kill it when the thread that started it ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit blocks until the child has ended and leaves it as a zombie, so that its id and its group's id cannot be given
// to somebody else before the rest of the group is killed. It reports whether it could.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
