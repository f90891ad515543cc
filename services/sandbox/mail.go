package sandbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"regexp"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// Mail is a mail in the inbox.
type Mail struct {
	From    string   `json:"from"`
	To      []string `json:"to"` // who it was delivered to, whatever its header says
	Subject string   `json:"subject"`
	// MessageID is what the body says after "Message-ID:", which only its sender can have written: mailers make a header where there is
	// none. Without it, that of the header, without the domain behind its @.
	MessageID string `json:"message_id"`
	TraceID   string `json:"trace_id,omitzero"` // likewise, X-Trace-Id
	// Header has the first of each header that tells ids, as it came: a sender that cannot set headers has none.
	Header map[string]string `json:"header,omitzero"`
	Body   string            `json:"body"` // decoded, cut at maxMailTextBytes
	Bytes  int               `json:"bytes"`
	At     time.Time         `json:"at"`
}

// Bounds of the mail server.
const (
	maxMailBytes      = 256 << 10
	maxMailTextBytes  = 64 << 10
	maxMailRecipients = 20
	mailTimeout       = 10 * time.Second
)

// mailbox is the mail server with its inbox; it keeps every mail it accepts, repeats too.
type mailbox struct {
	book   *book[Mail]
	now    func() time.Time
	faults *faults
}

func openMailbox(path string, now func() time.Time, f *faults) (*mailbox, error) {
	b, err := openBook(path, func(int64, Mail) error { return nil })
	return &mailbox{book: b, now: now, faults: f}, err
}

// server is the SMTP server before it listens.
func (m *mailbox) server(log smtp.Logger) *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{box: m, conn: c}, nil
	}))
	s.Domain = "sandbox.invalid"
	s.MaxMessageBytes, s.MaxRecipients = maxMailBytes, maxMailRecipients
	s.ReadTimeout, s.WriteTimeout = mailTimeout, mailTimeout
	s.AllowInsecureAuth = true // loopback
	s.EnableSMTPUTF8 = true
	s.ErrorLog = log
	return s
}

// door is where the mail server listens. While it is switched off a caller finds the connection closed before any greeting: a client
// that is cut off after its greeting takes that for a lost connection, and Dapr's then begins again without an end.
type door struct {
	net.Listener
	faults *faults
}

// Accept gives the next connection that is to be served.
func (d door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil || d.faults.get().Mail != faultDown {
			return conn, err
		}
		_ = conn.Close() // the caller's to notice
	}
}

var (
	errDown   = errors.New("sandbox: mail is switched off")
	errBroken = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the sandbox was told to fail"}
)

// session takes the mails of one connection.
type session struct {
	box  *mailbox
	conn *smtp.Conn
	from string
	to   []string
}

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data takes the mail; a nil error becomes the 250, so it is on disk by then.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r) // bounded by MaxMessageBytes
	if err != nil {
		return err
	}
	mode := s.box.faults.get().Mail
	switch mode {
	case faultDown:
		return errors.Join(errDown, s.conn.Conn().Close())
	case faultError:
		return errBroken
	case faultSlow:
		s.box.faults.wait(context.Background()) // SMTP gives no context; only this session waits
	}
	if _, err := s.box.book.append(s.box.read(s.from, s.to, raw)); err != nil {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the mail could not be stored"}
	}
	if mode == faultLostReply {
		return s.conn.Conn().Close()
	}
	return nil
}

const headerMessageID = "Message-ID"

// What finds the ids that a sender who cannot set headers put into the text.
var (
	messageID   = regexp.MustCompile(`(?i)message-id:\s*<?([A-Za-z0-9._@-]{8,128})`)
	mailTraceID = regexp.MustCompile(`(?i)x-trace-id:\s*([A-Za-z0-9-]{8,64})`)
)

// read makes an inbox entry of what came over the wire. What is not a mail by the book is kept as it is.
func (m *mailbox) read(from string, to []string, raw []byte) Mail {
	entry := Mail{From: from, To: to, Bytes: len(raw), At: m.now().UTC()}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		entry.Body = text(raw)
		return entry
	}
	entry.Subject = msg.Header.Get("Subject")
	if decoded, err := new(mime.WordDecoder).DecodeHeader(entry.Subject); err == nil {
		entry.Subject = decoded
	}
	entry.Subject = text([]byte(entry.Subject))
	body, err := io.ReadAll(decoder(msg.Header.Get("Content-Transfer-Encoding"), msg.Body))
	if err != nil {
		body = append(body, fmt.Appendf(nil, "\n[the rest cannot be decoded: %v]", err)...)
	}
	entry.Body = text(body)
	for _, name := range []string{headerMessageID, httpx.HeaderTraceID} {
		if value := msg.Header.Get(name); value != "" {
			if entry.Header == nil {
				entry.Header = map[string]string{}
			}
			entry.Header[name] = text([]byte(value))
		}
	}
	id, _, _ := strings.Cut(strings.Trim(msg.Header.Get(headerMessageID), "<> "), "@")
	entry.MessageID = idOf(messageID, entry.Body, id)
	entry.TraceID = idOf(mailTraceID, entry.Body, msg.Header.Get(httpx.HeaderTraceID))
	return entry
}

// idOf is what find has in the text or, without that, what the header says.
func idOf(find *regexp.Regexp, body, header string) string {
	if found := find.FindStringSubmatch(body); found != nil {
		return found[1]
	}
	return text([]byte(header))
}

func decoder(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	default:
		return r
	}
}

// text is what can be kept as JSON.
func text(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), maxMailTextBytes)]), "\uFFFD")
}
