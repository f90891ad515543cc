package daprd

import "syscall"

// childAttributes puts the child into a group of its own, so that a Ctrl-C reaches it through Stop and not from the terminal,
// and lets the kernel kill it when the thread that started it ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
