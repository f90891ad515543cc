package run

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	loopback = "127.0.0.1"
	// anyPortAddr as the value of an environment entry asks the runner for a free port.
	anyPortAddr = loopback + ":0"
)

// Ports are the loopback ports of one process; 0 means that it has no such port.
type Ports struct {
	App              int `json:"app,omitempty"`
	Internal         int `json:"internal,omitempty"`
	DaprHTTP         int `json:"dapr_http,omitempty"`
	DaprGRPC         int `json:"dapr_grpc,omitempty"`
	DaprInternalGRPC int `json:"dapr_internal_grpc,omitempty"`
	Metrics          int `json:"metrics,omitempty"`
	Profile          int `json:"profile,omitempty"` // Go's profiles of the sidecar, with Options.Profiles
}

// portPlan holds every port of a stack. In the free-ports mode the numbers of the run file are names: each is
// swapped for a free port, the same one wherever the file means it.
type portPlan struct {
	free bool
	held []*heldPort
	// swapped maps a number of the file to the port that is used.
	swapped map[int]int
}

func newPortPlan(f *File, free bool) *portPlan {
	p := &portPlan{free: free, swapped: map[int]int{}}
	if !free {
		return p
	}
	for _, app := range f.Apps {
		for _, n := range []int{app.AppPort, app.DaprHTTPPort, app.DaprGRPCPort, app.DaprInternalGRPCPort, app.MetricsPort} {
			if n != 0 {
				p.swapped[n] = 0
			}
		}
		for name, value := range app.Env {
			if n, ok := portValue(name, value); ok {
				p.swapped[n] = 0
			}
		}
	}
	return p
}

// take holds a port: any free one if the file gives none, else the one the file's number stands for.
func (p *portPlan) take(fromFile int) (int, error) {
	if fromFile == 0 || !p.free {
		return p.hold(fromFile)
	}
	if n := p.swapped[fromFile]; n != 0 {
		return n, nil
	}
	n, err := p.hold(0)
	p.swapped[fromFile] = n
	return n, err
}

func (p *portPlan) hold(number int) (int, error) {
	if i := slices.IndexFunc(p.held, func(h *heldPort) bool { return h.number == number }); number != 0 && i >= 0 {
		return number, nil
	}
	h, err := holdPort(number)
	if err != nil {
		return 0, portError(number, err)
	}
	p.held = append(p.held, h)
	return h.number, nil
}

func (p *portPlan) beforeUse(ports Ports) {
	for _, h := range p.held {
		if slices.Contains([]int{ports.App, ports.Internal, ports.DaprHTTP, ports.DaprGRPC, ports.DaprInternalGRPC, ports.Metrics, ports.Profile}, h.number) {
			h.beforeUse()
		}
	}
}

func (p *portPlan) release() {
	for _, h := range p.held {
		h.release()
	}
	p.held = nil
}

func portError(number int, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d is taken: another program listens on it", number)
	}
	return err
}

// CheckListen reports whether a host:port can be listened on right now; the error names the port.
func CheckListen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		return l.Close()
	}
	if ap, perr := netip.ParseAddrPort(addr); perr == nil {
		return portError(int(ap.Port()), err)
	}
	return err
}

var loopbackPort = regexp.MustCompile(`(127\.0\.0\.1|localhost):([0-9]{1,5})\b`)

// value rewrites one environment value: a port number in a *_PORT entry, and host:port of this machine in any other, if the
// file's plan knows the number. "127.0.0.1:0" asks for a free port.
func (p *portPlan) value(name, value string) (string, error) {
	if value == anyPortAddr {
		n, err := p.hold(0)
		return loopback + ":" + strconv.Itoa(n), err
	}
	if !p.free {
		return value, nil
	}
	if n, ok := portValue(name, value); ok {
		got, err := p.take(n)
		return strconv.Itoa(got), err
	}
	var failed error
	out := loopbackPort.ReplaceAllStringFunc(value, func(m string) string {
		host, digits, _ := strings.Cut(m, ":")
		n, _ := strconv.Atoi(digits)
		if _, known := p.swapped[n]; !known {
			return m
		}
		got, err := p.take(n)
		if err != nil {
			failed = err
		}
		return host + ":" + strconv.Itoa(got)
	})
	return out, failed
}

// portValue reports the number in an environment entry that is a port by its name.
func portValue(name, value string) (int, bool) {
	if !strings.HasSuffix(name, "_PORT") {
		return 0, false
	}
	n, err := strconv.Atoi(value)
	return n, err == nil && n > 0 && n <= 65535
}
