package servers

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// User is whom a server runs as when it refuses to be root.
type User struct {
	uid, gid uint32
	caps     []uintptr // capabilities that it keeps of root's (Linux)
}

// notAsRoot has the server's processes run as another user if this one is root, which the server refuses to be.
func (p *place) notAsRoot(name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	refusal := "does not run as root and "
	advice := "run as an ordinary user, or name a server of your own in " + p.server.Variable
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("%sthis machine has no user %s to run as: %s", refusal, name, advice)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	p.user = &User{uid: uint32(uid), gid: uint32(gid)}
	if err := p.user.own(p.dir); err != nil {
		return err
	}
	// The shop's data folder is closed to others, and so may be the folders that it is in.
	if closed := p.user.closed(filepath.Dir(p.dir)); closed != "" && !p.user.enterAll() {
		return fmt.Errorf("%suser %s, as whom it would, may not enter %s: choose another data folder, %s", refusal, name, closed, advice)
	}
	return nil
}

// own gives a file or folder to the user; a nil user is ourselves.
func (u *User) own(path string) error {
	if u == nil {
		return nil
	}
	return os.Chown(path, int(u.uid), int(u.gid))
}

// Apply has a process that is to be started run as the user; a nil user is ourselves.
func (u *User) Apply(attributes *syscall.SysProcAttr) {
	if u == nil {
		return
	}
	attributes.Credential = &syscall.Credential{Uid: u.uid, Gid: u.gid}
	u.keep(attributes)
}

// closed gives the outermost folder on the way to dir that the user may not enter, empty if there is none.
func (u *User) closed(dir string) (outermost string) {
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return dir
		}
		bits := info.Mode().Perm()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			switch {
			case st.Uid == u.uid:
				bits >>= 6
			case st.Gid == u.gid:
				bits >>= 3
			}
		}
		if bits&1 == 0 {
			outermost = dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return outermost
		}
		dir = parent
	}
}
