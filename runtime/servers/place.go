package servers

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	user   *User
}

// address takes a free port and gives it also as host:port.
func (p *place) address() (int, string, error) {
	port, err := p.Port()
	return port, loopback + ":" + strconv.Itoa(port), err
}

// workingDir is where the server's processes start. Another user cannot start in the server's folder: what lets it enter every folder
// holds only once its program runs.
func (p *place) workingDir() string {
	if p.user != nil {
		return "/"
	}
	return p.dir
}

// passwordFile has the password of every server but its helpers.
const passwordFile = "password"

// login gives the password of the server's user and a free port, also as host:port.
func (p *place) login() (password string, port int, addr string, err error) {
	if password, err = p.secret(passwordFile); err != nil {
		return "", 0, "", err
	}
	port, addr, err = p.address()
	return password, port, addr, err
}

// file is a path in the server's folder.
func (p *place) file(name string) string { return filepath.Join(p.dir, name) }

// write writes a file that only the server and its owner read.
func (p *place) write(name, text string) error { return writePrivate(p.file(name), text, p.user) }

func writePrivate(path, text string, owner *User) error {
	// Written beside and renamed: a file half written would outlive a crash.
	next := path + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.WriteFile(next, []byte(text), privateFile); err != nil {
		return err
	}
	if err := owner.own(next); err != nil {
		return err
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
	if err := p.user.own(next); err != nil {
		return err
	}
	if err := fill(ctx, next); err != nil {
		return err
	}
	return os.Rename(next, whole)
}

// run runs a preparing program to its end as the server's user; if it fails, the error has the end of what it said.
func (p *place) run(ctx context.Context, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = p.workingDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.user.Apply(cmd.SysProcAttr)
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
