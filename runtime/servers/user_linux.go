package servers

import (
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// enterAll lets the user enter every folder, by the least capability of root's that does and that we have: on some machines, in
// containers above all, root has not all of them. It reports whether there is one.
func (u *User) enterAll() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return false
	}
	caps := []uintptr{unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_OVERRIDE}
	i := slices.IndexFunc(caps, func(c uintptr) bool { return have[0].Permitted&(1<<c) != 0 })
	if i < 0 {
		return false
	}
	u.caps = caps[i : i+1]
	return true
}

func (u *User) keep(attributes *syscall.SysProcAttr) { attributes.AmbientCaps = u.caps }
