package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The program starts itself again for what must happen between the making of a namespace and the start of a program in it. This variable
// tells such a process which part it has.
const (
	partEnv       = "SIDECART_SANDBOX_PART"
	usersEnv      = "SIDECART_SANDBOX_USERS"
	partInside    = "inside"
	partPod       = "pod"
	partContainer = "container"
)

// needs is what to do about it. Root alone is not enough: in most containers it has not got the capability.
const needs = "it needs CAP_SYS_ADMIN (root has it outside of containers) or user namespaces (for users other than root)"

const (
	bridgeName = "cluster0"
	// Bridge is the address of the sandbox's own programs; pods have other addresses of the same network.
	Bridge  = "10.88.0.1"
	netBits = 16
)

// Unable is the exit code when this machine does not allow what a sandbox needs; the reason is on stderr.
const Unable = 3

// Main runs the function in namespaces of its own and answers its exit code, or Unable. Call it first thing in main or TestMain, and end
// the process with the answer. The function sees Bridge as an address of this machine and nothing of other networks.
func Main(run func() int) int {
	var err error
	switch os.Getenv(partEnv) {
	case "":
		return enter()
	case partInside:
		if err = prepare(); err == nil {
			return run()
		}
		fmt.Fprintf(os.Stderr, "sandbox: %v: %s\n", err, needs)
		return Unable
	case partPod:
		err = holdPod()
	case partContainer:
		err = becomeContainer()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
	}
	return 1
}

// enter starts this program again in new namespaces and waits for its end. When this process is killed the other is, too.
func enter() int {
	runtime.LockOSThread() // the kernel ties Pdeathsig to the thread
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), partEnv+"="+partInside)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if uid := os.Getuid(); uid == 0 {
		cmd.Env = append(cmd.Env, usersEnv+"=many")
	} else {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	// A signal meant for us ends the other; we wait for it.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "sandbox: cannot make namespaces (%v): %s\n", err, needs)
		return Unable
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	if err := cmd.Wait(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() >= 0 {
			return exit.ExitCode()
		}
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		return 1
	}
	return 0
}

// prepare makes the new namespaces usable: mounts that do not leak out, a process table of our own, and the bridge.
func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("make the bridge: %w", err)
	}
	return addressUp(bridge, Bridge)
}

// ManyUsers tells whether containers can run as users of their own. Inside a user namespace there is only one.
func ManyUsers() bool { return os.Getenv(usersEnv) == "many" }

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

func addressUp(link netlink.Link, ip string) error {
	addr, err := netlink.ParseAddr(fmt.Sprintf("%s/%d", ip, netBits))
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("address %s: %w", ip, err)
	}
	return netlink.LinkSetUp(link)
}

// Show lets everything in the sandbox see a file of ours in the place of another one.
func Show(file, over string) error {
	if err := unix.Mount(file, over, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("show %s as %s: %w", file, over, err)
	}
	return nil
}
