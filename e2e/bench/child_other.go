//go:build !linux

package bench

import "syscall"

// dieWithParent would have the kernel end a child with us; only Linux does.
func dieWithParent(*syscall.SysProcAttr) {}
