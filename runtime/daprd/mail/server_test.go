package mail

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dapr/components-contrib/bindings"
	"github.com/dapr/components-contrib/metadata"
	"github.com/dapr/kit/logger"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

const user, password = "shop", "correct horse"

// received is a mail that the server has taken.
type received struct {
	from string
	to   []string
	text string
	tls  bool
}

// mailServer is a real SMTP server that keeps its mails and can be told to misbehave.
type mailServer struct {
	net.Listener
	// Called before the step of each mail that they are named after; what they return is the server's answer.
	onMail, onRcpt, onText, onStored func(*smtp.Conn) error
	wantsPassword                    bool

	opened, open atomic.Int64 // connections
	mu           sync.Mutex
	mails        []received
	conns        []net.Conn
}

var errGone = errors.New("the server has closed the connection")

// hangUp closes the connection without an answer.
func hangUp(c *smtp.Conn) error { return errors.Join(errGone, c.Conn().Close()) }

// start serves until the test ends; with a certificate STARTTLS is offered, or every connection begins with TLS.
func (s *mailServer) start(t testing.TB, certificate, beginsWithTLS bool) *mailServer {
	t.Helper()
	var err error
	s.Listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
	server.AllowInsecureAuth = true
	server.ErrorLog = quiet{}
	var listener net.Listener = s
	if certificate {
		borrowed := httptest.NewTLSServer(nil)
		server.TLSConfig = &tls.Config{Certificates: borrowed.TLS.Certificates}
		borrowed.Close()
		if beginsWithTLS {
			listener = tls.NewListener(s, server.TLSConfig)
		}
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_, _ = s.Listener.Close(), server.Close() // it may not serve yet
		serving.Wait()
	})
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// Accept counts.
func (s *mailServer) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s.opened.Add(1)
	s.open.Add(1)
	counted := &countedConn{Conn: c, closed: sync.OnceFunc(func() { s.open.Add(-1) })}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, counted)
	return counted, nil
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// hangUpOnAll closes every connection there is.
func (s *mailServer) hangUpOnAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

func (s *mailServer) taken() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

// component is the metadata of a component for this server, changed by more: pairs of name and value.
func (s *mailServer) component(more ...string) bindings.Metadata {
	host, port, _ := net.SplitHostPort(s.Addr().String())
	properties := map[string]string{"host": host, "port": port, "emailFrom": "shop@example.invalid"}
	for i := 0; i < len(more); i += 2 {
		properties[more[i]] = more[i+1]
	}
	return bindings.Metadata{Base: metadata.Base{Properties: properties}}
}

func (s *mailServer) port() int {
	_, port, _ := net.SplitHostPort(s.Addr().String())
	n, _ := strconv.Atoi(port)
	return n
}

// bind is the binding for this server.
func (s *mailServer) bind(t *testing.T, more ...string) *binding {
	t.Helper()
	b := New(logger.NewLogger("test")).(*binding)
	require.NoError(t, b.Init(t.Context(), s.component(more...)))
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func request(to string, more ...string) *bindings.InvokeRequest {
	meta := map[string]string{"emailTo": to, "subject": "order"}
	for i := 0; i < len(more); i += 2 {
		meta[more[i]] = more[i+1]
	}
	return &bindings.InvokeRequest{Operation: bindings.CreateOperation, Data: []byte("for " + to), Metadata: meta}
}

// session is one connection's.
type session struct {
	server *mailServer
	conn   *smtp.Conn
	mail   received
}

func asked(hook func(*smtp.Conn) error, c *smtp.Conn) error {
	if hook == nil {
		return nil
	}
	return hook(c)
}

func (s *session) Reset()        { s.mail = received{} }
func (s *session) Logout() error { return nil }

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, word string) error {
		if name != user || word != password {
			return smtp.ErrAuthFailed
		}
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.wantsPassword = false
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.server.mu.Lock()
	refused := s.server.wantsPassword
	s.server.mu.Unlock()
	if refused {
		return smtp.ErrAuthRequired
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.mail = received{from: from, tls: encrypted}
	return asked(s.server.onMail, s.conn)
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = append(s.mail.to, to)
	return asked(s.server.onRcpt, s.conn)
}

func (s *session) Data(r io.Reader) error {
	if err := asked(s.server.onText, s.conn); err != nil {
		return err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.text = string(text)
	s.server.mu.Lock()
	s.server.mails = append(s.server.mails, s.mail)
	s.server.mu.Unlock()
	return asked(s.server.onStored, s.conn)
}
