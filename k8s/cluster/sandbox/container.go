package sandbox

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// specEnv carries a Container to the process that becomes it.
const specEnv = "SIDECART_SANDBOX_CONTAINER"

// Container is a program with a root folder of its own.
type Container struct {
	Name         string
	Args         []string // Args[0] is a path in the container
	Env          []string // NAME=VALUE; there are no others
	Mounts       []Mount  // the program itself among them
	Dir          string   // where it starts; "" is the root folder
	ReadOnlyRoot bool
	User, Group  int // 0 is root, or whoever started this if that is not root

	NetNS, Root string // set by Run
}

// Mount shows a file or folder of this machine inside a container.
type Mount struct {
	From, To string
	ReadOnly bool
}

// Run starts the container in the pod; its output is in DIR/NAME.log.
func (p *Pod) Run(dir string, c Container) (*Process, error) {
	root := filepath.Join(dir, c.Name+".root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	c.NetNS, c.Root = p.netns(), root
	spec, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{partEnv + "=" + partContainer, specEnv + "=" + string(spec)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	return start(cmd, dir, c.Name)
}

// becomeContainer is the part of the process that becomes a container: it joins the pod's network, builds the root folder, locks itself in
// and gives itself up for the program. It only returns when that fails.
func becomeContainer() error {
	runtime.LockOSThread() // a network is joined by one thread: the one that executes the program
	var c Container
	if err := json.Unmarshal([]byte(os.Getenv(specEnv)), &c); err != nil {
		return fmt.Errorf("container: %w", err)
	}
	if err := joinNetwork(c.NetNS); err != nil {
		return fmt.Errorf("container %s: %w", c.Name, err)
	}
	if err := buildRoot(c); err != nil {
		return fmt.Errorf("container %s: %w", c.Name, err)
	}
	if err := unix.Chroot(c.Root); err != nil {
		return fmt.Errorf("container %s: chroot: %w", c.Name, err)
	}
	if err := os.Chdir(filepath.Join("/", c.Dir)); err != nil {
		return fmt.Errorf("container %s: %w", c.Name, err)
	}
	if err := giveUpPrivileges(c.User, c.Group); err != nil {
		return fmt.Errorf("container %s: %w", c.Name, err)
	}
	return fmt.Errorf("container %s: exec %s: %w", c.Name, c.Args[0], syscall.Exec(c.Args[0], c.Args, c.Env))
}

func joinNetwork(path string) error {
	ns, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("join the pod's network: %w", err)
	}
	return nil
}

// buildRoot fills the container's root folder. What is mounted is seen by this process alone.
func buildRoot(c Container) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", c.Root, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("root folder: %w", err)
	}
	mounts := slices.Concat([]Mount{
		{From: "/proc", To: "/proc"}, {From: "/dev", To: "/dev"},
		{From: "/etc/hosts", To: "/etc/hosts", ReadOnly: true}, {From: "/etc/resolv.conf", To: "/etc/resolv.conf", ReadOnly: true},
	}, c.Mounts, libraries(c))
	for _, m := range mounts {
		if err := m.into(c.Root); err != nil {
			return fmt.Errorf("mount %s: %w", m.To, err)
		}
	}
	if !c.ReadOnlyRoot {
		return nil
	}
	return unix.Mount("", c.Root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
}

// libraries are the folders that a program which is not static needs besides: a build with a C compiler at hand is not.
func libraries(c Container) []Mount {
	for _, m := range c.Mounts {
		if m.To != c.Args[0] {
			continue
		}
		program, err := elf.Open(m.From)
		if err != nil {
			return nil
		}
		defer func() { _ = program.Close() }()
		if !slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
			return nil
		}
	}
	var found []Mount
	for _, dir := range []string{"/lib", "/lib64", "/usr/lib"} {
		if _, err := os.Stat(dir); err == nil {
			found = append(found, Mount{From: dir, To: dir, ReadOnly: true})
		}
	}
	return found
}

func (m Mount) into(root string) error {
	info, err := os.Stat(m.From)
	if err != nil {
		return err
	}
	target := filepath.Join(root, m.To)
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(m.From, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if !m.ReadOnly {
		return nil
	}
	// In a user namespace none of these flags may be cleared that the mount has come with.
	var fs unix.Statfs_t
	if err := unix.Statfs(target, &fs); err != nil {
		return err
	}
	kept := uintptr(fs.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	return unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|kept, "")
}

// giveUpPrivileges makes the process an ordinary one of the user, which nothing it executes can change.
func giveUpPrivileges(user, group int) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	if user == 0 && group == 0 {
		return nil
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(group); err != nil {
		return err
	}
	return syscall.Setuid(user)
}
