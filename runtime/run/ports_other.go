//go:build !linux

package run

import (
	"fmt"
	"net"
	"strconv"
)

// heldPort keeps a loopback port ours until just before its process is started.
type heldPort struct {
	number   int
	listener net.Listener
}

// holdPort takes the given port, or any free one for 0. It fails if somebody listens on it.
func holdPort(number int) (*heldPort, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort(loopback, strconv.Itoa(number)))
	if err != nil {
		return nil, fmt.Errorf("port %d: %w", number, err)
	}
	return &heldPort{number: l.Addr().(*net.TCPAddr).Port, listener: l}, nil
}

// beforeUse lets the port go so that its process can take it.
func (p *heldPort) beforeUse() { p.release() }

func (p *heldPort) release() {
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
}
