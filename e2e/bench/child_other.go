//go:build !linux

package bench

import "syscall"

// dieWithParent would have the kernel end a child with us; only Linux does.
func dieWithParent(*syscall.SysProcAttr) {}

// awaitExit would wait until a child has ended. The benchmarks need Linux anyway: CPU times are in /proc.
func awaitExit(int) {}
