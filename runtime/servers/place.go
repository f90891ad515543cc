package servers

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	loopback     = "127.0.0.1"
	userName     = "sidecart" // at every server
	privateDir   = 0o700
	privateFile  = 0o600
	maxSaidBytes = 2000
)

// place is where one server lives.
type place struct {
	Where
	server Server
	dir    string            // the server's own
	found  map[string]string // program → path
	user   *syscall.Credential
}

// address takes a free port and gives it also as host:port.
func (p *place) address() (int, string, error) {
	port, err := p.Port()
	return port, loopback + ":" + strconv.Itoa(port), err
}

// file is a path in the server's folder.
func (p *place) file(name string) string { return filepath.Join(p.dir, name) }

// write writes a file that only the server and its owner read.
func (p *place) write(name, text string) error { return writePrivate(p.file(name), text, p.user) }

func writePrivate(path, text string, owner *syscall.Credential) error {
	// Written beside and renamed: a file half written would outlive a crash.
	next := path + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.WriteFile(next, []byte(text), privateFile); err != nil {
		return err
	}
	if owner != nil {
		if err := os.Chown(next, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return os.Rename(next, path)
}

// secret gives the password of that name, made up at the first time.
func (p *place) secret(name string) (string, error) {
	raw, err := os.ReadFile(p.file(name))
	if err == nil && len(raw) > 0 {
		return string(raw), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	made := rand.Text()
	return made, p.write(name, made)
}

// notAsRoot has the server's processes run as another user if this one is root, which the server refuses to be. That user gets the
// group of the data folder beside its own, to reach what lies in it.
func (p *place) notAsRoot(name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	variable := p.server.Variable
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("must not run as root, and this machine has no user %s to run as: run as an ordinary user, or name a server of your own in %s", name, variable)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	p.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	info, err := os.Stat(p.Where.Dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		p.user.Groups = []uint32{st.Gid}
	}
	if err := os.Chown(p.dir, int(uid), int(gid)); err != nil {
		return err
	}
	if closed := closedTo(p.user, p.Where.Dir); closed != "" {
		return fmt.Errorf("must not run as root and runs as user %s, who may not enter %s: choose another data folder with --data, run as an ordinary user, or name a server of your own in %s", name, closed, variable)
	}
	return nil
}

// closedTo gives the outermost folder on the way to dir that the user may not enter, empty if there is none.
func closedTo(who *syscall.Credential, dir string) string {
	closed := ""
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return dir
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return closed
		}
		bits := info.Mode().Perm()
		switch {
		case st.Uid == who.Uid:
			bits >>= 6
		case st.Gid == who.Gid || len(who.Groups) > 0 && st.Gid == who.Groups[0]:
			bits >>= 3
		}
		if bits&1 == 0 {
			closed = dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return closed
		}
		dir = parent
	}
}

// once makes a folder by filling another and renaming it, so that it is never there half made.
func (p *place) once(ctx context.Context, name string, fill func(ctx context.Context, dir string) error) error {
	whole := p.file(name)
	if _, err := os.Stat(whole); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	next := whole + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.Mkdir(next, privateDir); err != nil {
		return err
	}
	if p.user != nil {
		if err := os.Chown(next, int(p.user.Uid), int(p.user.Gid)); err != nil {
			return err
		}
	}
	if err := fill(ctx, next); err != nil {
		return err
	}
	return os.Rename(next, whole)
}

// run runs a preparing program to its end as the server's user; if it fails, the error has the end of what it said.
func (p *place) run(ctx context.Context, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		words := said.Bytes()
		words = words[max(0, len(words)-maxSaidBytes):]
		return fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, strings.Join(strings.Fields(string(words)), " "))
	}
	return nil
}
