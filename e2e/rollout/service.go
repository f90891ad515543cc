package rollout

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
)

// Service is one address before several endpoints, as a Service of Kubernetes is: each new connection goes to an endpoint that
// is ready at that moment and stays with it, also when the endpoint is taken away. It knows nothing of HTTP. It is safe for
// concurrent use.
type Service struct {
	listener net.Listener
	running  sync.WaitGroup

	mu        sync.Mutex
	endpoints []string
	turn      int
	open      map[net.Conn]bool
	closed    bool
}

// NewService listens on a free port of this machine; Close ends it.
func NewService() (*Service, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Service{listener: l, open: map[net.Conn]bool{}}
	s.running.Go(s.accept)
	return s, nil
}

// URL is where it listens.
func (s *Service) URL() string { return "http://" + s.listener.Addr().String() }

// Add makes host:port an endpoint.
func (s *Service) Add(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = append(s.endpoints, address)
}

// Remove lets no new connection go to an endpoint.
func (s *Service) Remove(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = slices.DeleteFunc(s.endpoints, func(e string) bool { return e == address })
}

// Close ends the listener and every connection.
func (s *Service) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	err := s.listener.Close()
	s.running.Wait()
	return err
}

func (s *Service) accept() {
	for {
		client, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // this connection is lost, as one may be
		}
		s.running.Go(func() { s.carry(client) })
	}
}

// carry takes a connection to an endpoint and both ways until both sides have ended. With no endpoint the client is cut off.
func (s *Service) carry(client net.Conn) {
	if !s.track(client) {
		return
	}
	defer s.forget(client)
	endpoint, err := net.Dial("tcp", s.next())
	if err != nil || !s.track(endpoint) {
		return
	}
	defer s.forget(endpoint)
	var both sync.WaitGroup
	both.Go(func() { pipe(endpoint, client) })
	both.Go(func() { pipe(client, endpoint) })
	both.Wait()
}

// pipe copies until from has ended, and tells to so.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from) // what one side did to the connection is for the other to see
	_ = to.(*net.TCPConn).CloseWrite()
}

// next takes the endpoints in turn; an address that nobody listens at if there is none.
func (s *Service) next() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.endpoints) == 0 {
		return "127.0.0.1:0"
	}
	s.turn++
	return s.endpoints[s.turn%len(s.endpoints)]
}

// track is false, and c closed, once the Service is closed.
func (s *Service) track(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return false
	}
	s.open[c] = true
	return true
}

func (s *Service) forget(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}
