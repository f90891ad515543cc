package run

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// heldPort keeps a loopback port ours for as long as it is open, while the process it is meant for listens on it.
//
// The socket is bound and never listens. Linux lets another socket with SO_REUSEADDR (Go sets it on every
// listener) bind and listen on the same port by its number, but gives the port to nobody who asks for any free one, neither a
// listener nor an outgoing connection. So there is no moment between choosing a port and using it, and none while
// a process is down, in which somebody else can take it; and a caller meets a refused connection, not a silent one.
type heldPort struct {
	number int
	fd     int
}

// holdPort takes the given port, or any free one for 0. It fails if somebody listens on it.
func holdPort(number int) (*heldPort, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	p := &heldPort{fd: fd}
	if err := p.bind(number); err != nil {
		p.release()
		return nil, fmt.Errorf("port %d: %w", number, err)
	}
	return p, nil
}

func (p *heldPort) bind(number int) error {
	if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(p.fd, &unix.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	addr, err := unix.Getsockname(p.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	in4, ok := addr.(*unix.SockaddrInet4)
	if !ok {
		return fmt.Errorf("bound to %T, want IPv4", addr)
	}
	p.number = in4.Port
	return nil
}

// beforeUse is for systems where the port must be let go for its process to take it.
func (p *heldPort) beforeUse() {}

func (p *heldPort) release() {
	if p.fd >= 0 {
		_ = unix.Close(p.fd)
		p.fd = -1
	}
}
