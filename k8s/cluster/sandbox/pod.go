package sandbox

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
)

// Pod is a network of its own with one address on the bridge, as the containers of one pod share it.
type Pod struct {
	IP   string
	cmd  *exec.Cmd // holds the namespace
	hold io.Closer // closing it ends cmd
}

// NewPod makes a pod with an address of the bridge's network that nobody else has. number names its link and must be its own, too.
func NewPod(number int, ip string) (*Pod, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{partEnv + "=" + partPod}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("pod %s: %w", ip, err)
	}
	p := &Pod{IP: ip, cmd: cmd, hold: in}
	inner, err := connect(number, cmd.Process.Pid)
	if err == nil {
		_, err = fmt.Fprintf(in, "%s %s\n", inner, ip)
	}
	if err == nil {
		// The answer comes when the address is there.
		_, err = bufio.NewReader(out).ReadString('\n')
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("pod %s: %w", ip, err)
	}
	return p, nil
}

// connect makes a cable from the bridge to the process's network and answers the name of its far end.
func connect(number, pid int) (inner string, err error) {
	bridge, err := netlink.LinkByName(bridgeName)
	if err != nil {
		return "", err
	}
	inner = fmt.Sprintf("in%d", number)
	cable := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("out%d", number), MasterIndex: bridge.Attrs().Index},
		PeerName:  inner,
	}
	if err := netlink.LinkAdd(cable); err != nil {
		return "", fmt.Errorf("cable: %w", err)
	}
	if err := netlink.LinkSetUp(cable); err != nil {
		return "", err
	}
	far, err := netlink.LinkByName(inner)
	if err != nil {
		return "", err
	}
	return inner, netlink.LinkSetNsPid(far, pid)
}

// Close takes the network away. Containers in it must have ended.
func (p *Pod) Close() {
	_ = p.hold.Close()
	_ = p.cmd.Wait()
}

// netns is the file by which a process joins the pod's network.
func (p *Pod) netns() string { return fmt.Sprintf("/proc/%d/ns/net", p.cmd.Process.Pid) }

// holdPod is the part of the process that holds a pod's network: it sets up its end of the cable and stays until its input ends.
func holdPod() error {
	runtime.LockOSThread()
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	name, ip, _ := strings.Cut(strings.TrimSpace(line), " ")
	if err := loopbackUp(); err != nil {
		return err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := addressUp(link, ip); err != nil {
		return err
	}
	// As container engines do: in a pod every user may listen on every port.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0); err != nil {
		return err
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, in)
	return err
}
