package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/dapr/components-contrib/bindings/smtp"
	gosmtp "github.com/wneessen/go-mail/smtp"
)

// tlsPort is where connections begin with TLS. Elsewhere they change to it if
// the server offers that, as contrib has it.
const tlsPort = 465

// quitWithin bounds the goodbye to a server, which nobody waits for.
const quitWithin = time.Second

// server is whom mails are handed to, and as whom.
type server struct {
	address, host, user, password string
	beginsWithTLS                 bool
	tls                           *tls.Config
}

func newServer(m smtp.Metadata) server {
	return server{
		address: net.JoinHostPort(strings.Trim(m.Host, "[]"), strconv.Itoa(m.Port)), host: m.Host, user: m.User, password: m.Password,
		beginsWithTLS: m.Port == tlsPort,
		tls:           &tls.Config{ServerName: m.Host, InsecureSkipVerify: m.SkipTLSVerify}, // asked for by the component; contrib warns of it
	}
}

// conn is a connection that is signed in. It carries one mail at a time.
type conn struct {
	raw    net.Conn // below TLS, so that its deadline bounds every wait
	client *gosmtp.Client
	mails  int         // that it has carried
	spent  bool        // not to be used again
	expire *time.Timer // while it waits for a mail
}

// dial opens a connection and signs in, or fails when ctx ends.
func (s server) dial(ctx context.Context) (*conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	c := &conn{raw: raw}
	err = c.within(ctx, func() (err error) {
		c.client, err = s.greet(raw)
		return err
	})
	if err == nil && c.spent {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.drop()
		return nil, err
	}
	return c, nil
}

// greet makes a fresh connection ready for mails.
func (s server) greet(raw net.Conn) (*gosmtp.Client, error) {
	if s.beginsWithTLS {
		raw = tls.Client(raw, s.tls)
	}
	client, err := gosmtp.NewClient(raw, s.host)
	if err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	if err := client.Hello("localhost"); err != nil { // as contrib says
		return nil, fmt.Errorf("EHLO: %w", err)
	}
	if offered, _ := client.Extension("STARTTLS"); offered && !s.beginsWithTLS {
		if err := client.StartTLS(s.tls); err != nil {
			return nil, fmt.Errorf("STARTTLS: %w", err)
		}
	}
	if how := s.auth(client); how != nil {
		if err := client.Auth(how); err != nil {
			return nil, fmt.Errorf("signing in: %w", err)
		}
	}
	return client, nil
}

// auth is how contrib signs in to this server: nil, not at all, without a user
// or where the server knows no way.
func (s server) auth(client *gosmtp.Client) gosmtp.Auth {
	offered, ways := client.Extension("AUTH")
	switch {
	case s.user == "" || !offered:
		return nil
	case strings.Contains(ways, "CRAM-MD5"):
		return gosmtp.CRAMMD5Auth(s.user, s.password)
	case strings.Contains(ways, "LOGIN") && !strings.Contains(ways, "PLAIN"):
		return gosmtp.LoginAuth(s.user, s.password, s.host, false)
	default: // refuses to send the password in clear to another machine
		return gosmtp.PlainAuth("", s.user, s.password, s.host, false)
	}
}

// send hands over l. begun: its text was on the way, so the server may have it.
func (c *conn) send(ctx context.Context, l letter) (begun bool, err error) {
	c.mails++
	err = c.within(ctx, func() error {
		if err := c.client.Mail(l.from); err != nil {
			return fmt.Errorf("MAIL: %w", err)
		}
		for _, to := range l.to {
			if err := c.client.Rcpt(to); err != nil {
				return fmt.Errorf("RCPT: %w", err)
			}
		}
		text, err := c.client.Data()
		if err != nil {
			return fmt.Errorf("DATA: %w", err)
		}
		begun = true
		// Not closed after an error: that would end half a mail as if it were whole.
		if _, err := text.Write(l.text); err != nil {
			return fmt.Errorf("text: %w", err)
		}
		if err := text.Close(); err != nil {
			return fmt.Errorf("end of text: %w", err)
		}
		return nil
	})
	return begun, err
}

// within does talk, cut short when ctx ends. It may succeed nevertheless;
// whenever ctx had its say, the connection is spent.
func (c *conn) within(ctx context.Context, talk func() error) error {
	lift := context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) })
	err := talk()
	if !lift() {
		c.spent = true
		if err != nil {
			return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		}
	}
	return err
}

// drop ends a connection that is of no more use.
func (c *conn) drop() { _ = c.raw.Close() }

// quit takes leave of a server that waits for the next mail.
func (c *conn) quit() {
	defer c.drop()
	if c.raw.SetDeadline(time.Now().Add(quitWithin)) == nil {
		_ = c.client.Quit() // the server's closing is as good
	}
}

// lost: err is of the connection and not of the mail. 421 is what a server
// says that closes it.
func lost(err error) bool {
	said, answered := errors.AsType[*textproto.Error](err)
	return !answered || said.Code == 421
}
