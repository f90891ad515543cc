//go:build !linux

package run

import "syscall"

// childAttributes put a child into a process group of its own. Only Linux can tie its life to the runner's.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// awaitExit cannot look at a child without reaping it here.
func awaitExit(int) bool { return false }
