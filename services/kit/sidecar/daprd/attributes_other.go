//go:build !linux

package daprd

import "syscall"

// childAttributes puts the child into a group of its own, so that a Ctrl-C reaches it through Stop and not from the terminal.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
