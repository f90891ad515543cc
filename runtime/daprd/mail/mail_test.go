package mail

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/dapr/components-contrib/bindings"
	"github.com/dapr/components-contrib/metadata"
	"github.com/dapr/kit/logger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMailAtTheSameMomentKeepsItsRecipient sends many messages at once, each
// with its own recipient as its body.
func TestMailAtTheSameMomentKeepsItsRecipient(t *testing.T) {
	const messages = 64
	server := startSMTP(t)
	host, port, err := net.SplitHostPort(server.addr)
	require.NoError(t, err)

	binding := New(logger.NewLogger("test"))
	require.NoError(t, binding.Init(t.Context(), bindings.Metadata{Base: metadata.Base{
		Properties: map[string]string{"host": host, "port": port, "emailFrom": "shop@example.invalid"},
	}}))

	var senders sync.WaitGroup
	for i := range messages {
		senders.Go(func() {
			to := fmt.Sprintf("buyer-%d@example.invalid", i)
			req := &bindings.InvokeRequest{
				Operation: bindings.CreateOperation,
				Data:      []byte("for " + to),
				Metadata:  map[string]string{"emailTo": to, "subject": "order"},
			}
			if i%2 == 0 {
				req.Metadata["emailCC"] = "copy-" + to
			}
			_, err := binding.Invoke(context.Background(), req)
			assert.NoError(t, err)
		})
	}
	senders.Wait()

	got := server.messages()
	require.Len(t, got, messages)
	for _, m := range got {
		require.NotEmpty(t, m.recipients)
		to := m.recipients[0]
		assert.Contains(t, m.body, "for "+to)
		for _, other := range m.recipients[1:] {
			assert.Equal(t, "copy-"+to, other, "a copy meant for another message")
		}
	}
}

func TestMailWithoutAServerIsRefusedAtTheStart(t *testing.T) {
	err := New(logger.NewLogger("test")).Init(t.Context(), bindings.Metadata{})
	assert.ErrorContains(t, err, "host and port")
}

type receivedMail struct {
	recipients []string
	body       string
}

// smtpServer speaks just enough SMTP to be sent to and keeps what it got.
type smtpServer struct {
	addr string
	mu   sync.Mutex
	got  []receivedMail
}

func startSMTP(t *testing.T) *smtpServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &smtpServer{addr: listener.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed by the test's end
			}
			running.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return s
}

func (s *smtpServer) messages() []receivedMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

func (s *smtpServer) serve(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "220 test\r\n")
	var (
		mail   receivedMail
		inBody bool
	)
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		line := lines.Text()
		switch command := strings.ToUpper(line); {
		case inBody && line == ".":
			inBody = false
			s.mu.Lock()
			s.got = append(s.got, mail)
			s.mu.Unlock()
			mail = receivedMail{}
			fmt.Fprint(conn, "250 taken\r\n")
		case inBody:
			mail.body += line + "\n"
		case strings.HasPrefix(command, "RCPT TO:"):
			mail.recipients = append(mail.recipients, strings.Trim(line[len("RCPT TO:"):], "<> "))
			fmt.Fprint(conn, "250 ok\r\n")
		case command == "DATA":
			inBody = true
			fmt.Fprint(conn, "354 go\r\n")
		case command == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}
