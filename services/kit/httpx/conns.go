package httpx

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Connections bounds those of one listener; zero fields get the defaults. A connection costs some 20 KiB, and up to the bounds of headers
// and body (16 and 64 KiB) while a request comes in slowly.
type Connections struct {
	Max        int // at a time; default 4096
	PerAddress int // of one address, an IPv6 /64 being one, at a time; loopback is not bounded; default 1024
	// Metrics: nil: none. Listener is their label.
	Metrics  prometheus.Registerer
	Listener string
}

// Bound makes a listener that closes what comes beyond the bounds at once: somebody who opens connections and leaves them open takes
// the share of one address and not the place of all. Who opens them from very many addresses must be stopped before he comes here.
func Bound(l net.Listener, cfg Connections) (net.Listener, error) {
	if cfg.Max == 0 {
		cfg.Max = 4096
	}
	if cfg.PerAddress == 0 {
		cfg.PerAddress = 1024
	}
	b := &boundListener{Listener: l, cfg: cfg, of: make(map[netip.Addr]int)}
	if cfg.Metrics == nil {
		return b, nil
	}
	labels := prometheus.Labels{"listener": cfg.Listener}
	b.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_connections_refused_total", Help: "Connections that were closed at once, by the bound: all, address.", ConstLabels: labels,
	}, []string{"bound"})
	return b, errors.Join(cfg.Metrics.Register(b.refused), cfg.Metrics.Register(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: "http_connections", Help: "Connections that are open.", ConstLabels: labels},
		func() float64 { open, _ := b.count(); return float64(open) })))
}

type boundListener struct {
	net.Listener
	cfg     Connections
	refused *prometheus.CounterVec // nil: not counted

	mu   sync.Mutex
	open int
	of   map[netip.Addr]int // open connections by client; at most Max entries
}

// Accept gives the next connection that is within the bounds.
func (b *boundListener) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := clientOf(c.RemoteAddr())
		over := b.enter(from)
		if over == "" {
			return &boundConn{Conn: c, leave: sync.OnceFunc(func() { b.leave(from) })}, nil
		}
		if b.refused != nil {
			b.refused.WithLabelValues(over).Inc()
		}
		_ = c.Close()
	}
}

// enter counts a connection, or names the bound that it is beyond.
func (b *boundListener) enter(from netip.Addr) (over string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.open >= b.cfg.Max:
		return "all"
	case b.of[from] >= b.cfg.PerAddress && !from.IsLoopback() && from.IsValid():
		return "address"
	}
	b.open++
	b.of[from]++
	return ""
}

func (b *boundListener) leave(from netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	if b.of[from]--; b.of[from] == 0 {
		delete(b.of, from)
	}
}

func (b *boundListener) count() (open, clients int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open, len(b.of)
}

// clientOf is the client at the other end; the zero address when it has none.
func clientOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ClientAt(ap.Addr())
}

// oneClient is the IPv6 network that counts as one client: the smallest that a household or a server is given.
const oneClient = 64

// ClientAt gives the address by which a client is counted: an IPv4 address itself, of an IPv6 one its /64.
func ClientAt(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() && !a.IsLoopback() {
		if network, err := a.Prefix(oneClient); err == nil {
			return network.Addr()
		}
	}
	return a
}

// boundConn gives its place back when it is closed.
type boundConn struct {
	net.Conn
	leave func()
}

// Close may be called more than once.
func (c *boundConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// CloseWrite tells the client that nothing more comes. The server asks for it when it refuses a request that it has not read whole:
// without it the client would find the connection broken before it has read why.
func (c *boundConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}
