package mail

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dapr/components-contrib/bindings"
	"github.com/dapr/components-contrib/bindings/smtp"
	"github.com/dapr/components-contrib/metadata"
	"github.com/dapr/kit/logger"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	patience   = 20 * time.Second
	checkEvery = 5 * time.Millisecond
)

// TestManyAtOnceEachToItsOwn: each mail has its recipient in its body.
func TestManyAtOnceEachToItsOwn(t *testing.T) {
	const mails = 200
	server := new(mailServer).start(t, false, false)
	b := server.bind(t)
	var senders sync.WaitGroup
	for i := range mails {
		senders.Go(func() {
			to := fmt.Sprintf("buyer-%d@example.invalid", i)
			req := request(to)
			if i%2 == 0 {
				req.Metadata["emailCC"] = "copy-" + to
			}
			_, err := b.Invoke(context.Background(), req)
			assert.NoError(t, err)
		})
	}
	senders.Wait()
	got := server.taken()
	require.Len(t, got, mails)
	seen := map[string]bool{}
	for _, m := range got {
		assert.Contains(t, m.text, "for "+m.to[0])
		seen[m.to[0]] = true
		for _, other := range m.to[1:] {
			assert.Equal(t, "copy-"+m.to[0], other, "a copy meant for another mail")
		}
	}
	assert.Len(t, seen, mails)
	assert.LessOrEqual(t, server.opened.Load(), int64(usual.connections))
}

func TestConnectionsAreKeptWithinLimits(t *testing.T) {
	server := new(mailServer).start(t, false, false)
	b := server.bind(t)
	for range 10 {
		_, err := b.Invoke(t.Context(), request("b@example.invalid"))
		require.NoError(t, err)
	}
	assert.EqualValues(t, 1, server.opened.Load())
	require.NoError(t, b.Close())
	require.Eventually(t, func() bool { return server.open.Load() == 0 }, patience, checkEvery, "closed with the binding")

	b.pool = newPool(limits{connections: 1, mails: 3, idle: time.Hour}, b.pool.dial)
	server.opened.Store(0)
	for range 10 {
		_, err := b.Invoke(t.Context(), request("b@example.invalid"))
		require.NoError(t, err)
	}
	assert.EqualValues(t, 4, server.opened.Load(), "three mails each")

	b.pool.close()
	b.pool = newPool(limits{connections: 1, mails: 3, idle: time.Millisecond}, b.pool.dial)
	_, err := b.Invoke(t.Context(), request("b@example.invalid"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return server.open.Load() == 0 }, patience, checkEvery, "idle for too long")
}

// TestClosingLetsAMailUnderWayEnd: Dapr closes a component that changes without asking who uses it.
func TestClosingLetsAMailUnderWayEnd(t *testing.T) {
	reached, hold := make(chan struct{}), make(chan struct{})
	server := (&mailServer{onStored: func(*gosmtp.Conn) error {
		close(reached)
		<-hold
		return nil
	}}).start(t, false, false)
	b := server.bind(t)
	var used *conn
	dial := b.pool.dial
	b.pool.dial = func(ctx context.Context) (c *conn, err error) {
		used, err = dial(ctx)
		return used, err
	}
	ended := make(chan error, 1)
	go func() {
		_, err := b.Invoke(t.Context(), request("b@example.invalid"))
		ended <- err
	}()
	<-reached
	require.NoError(t, b.Close())
	close(hold)
	require.NoError(t, within(t, ended))
	require.ErrorIs(t, used.raw.SetDeadline(time.Time{}), net.ErrClosed, "nobody is left to end it")
}

// TestAKeptConnectionThatIsLost is replaced once, as long as nothing of the mail's text was sent.
func TestAKeptConnectionThatIsLost(t *testing.T) {
	var misbehave atomic.Pointer[string]
	once := func(step string, how func(*gosmtp.Conn) error) func(*gosmtp.Conn) error {
		return func(c *gosmtp.Conn) error {
			if now := misbehave.Load(); now != nil && *now == step && misbehave.CompareAndSwap(now, nil) {
				return how(c)
			}
			return nil
		}
	}
	closing := func(*gosmtp.Conn) error { return &gosmtp.SMTPError{Code: 421, Message: "closing"} }
	for _, c := range []struct {
		step   string
		how    func(*gosmtp.Conn) error
		again  bool // it is sent on another connection
		stored int  // mails that the server has of two
	}{
		{"between", hangUp, true, 2}, {"mail", hangUp, true, 2}, {"mail", closing, true, 2}, {"rcpt", hangUp, true, 2},
		{"text", hangUp, false, 1}, {"stored", hangUp, false, 2},
	} {
		t.Run(c.step, func(t *testing.T) {
			server := (&mailServer{onMail: once("mail", c.how), onRcpt: once("rcpt", c.how), onText: once("text", c.how), onStored: once("stored", c.how)}).
				start(t, false, false)
			b := server.bind(t)
			_, err := b.Invoke(t.Context(), request("first@example.invalid"))
			require.NoError(t, err)
			misbehave.Store(&c.step)
			if c.step == "between" {
				server.hangUpOnAll()
			}
			_, err = b.Invoke(t.Context(), request("second@example.invalid"))
			if c.again {
				require.NoError(t, err)
				assert.EqualValues(t, 2, server.opened.Load())
			} else {
				require.ErrorContains(t, err, "text")
				assert.EqualValues(t, 1, server.opened.Load(), "not sent again")
			}
			assert.Len(t, server.taken(), c.stored)
			misbehave.Store(nil)
			_, err = b.Invoke(t.Context(), request("third@example.invalid"))
			require.NoError(t, err, "the next mail finds a connection")
			assert.Len(t, server.taken(), c.stored+1)
		})
	}
}

// TestAServerThatHangsUpAfterTheGreeting: contrib's mailer dials it again without an end.
func TestAServerThatHangsUpAfterTheGreeting(t *testing.T) {
	server := (&mailServer{onMail: hangUp}).start(t, false, false)
	_, err := server.bind(t).Invoke(t.Context(), request("b@example.invalid"))
	require.ErrorContains(t, err, "error from smtp binding, sending email failed: MAIL: EOF")
	assert.EqualValues(t, 1, server.opened.Load())
}

func TestARefusedMailLeavesNothingBehind(t *testing.T) {
	var refuse atomic.Bool
	server := (&mailServer{onRcpt: func(*gosmtp.Conn) error {
		if refuse.Swap(false) {
			return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "nobody of that name"}
		}
		return nil
	}}).start(t, false, false)
	b := server.bind(t)
	refuse.Store(true)
	_, err := b.Invoke(t.Context(), request("wrong@example.invalid"))
	require.ErrorContains(t, err, "nobody of that name")
	_, err = b.Invoke(t.Context(), request("right@example.invalid"))
	require.NoError(t, err)
	got := server.taken()
	require.Len(t, got, 1)
	assert.Equal(t, []string{"right@example.invalid"}, got[0].to)
}

// TestTheContextEndsEverything that a mail can wait for.
func TestTheContextEndsEverything(t *testing.T) {
	hold := make(chan struct{})
	reached := make(chan struct{}, 1)
	server := (&mailServer{onText: func(*gosmtp.Conn) error {
		reached <- struct{}{}
		<-hold
		return tooLate
	}}).start(t, false, false)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	t.Cleanup(func() { close(hold) }) // before the server's end, which waits for its sessions

	send := func(ctx context.Context, b *binding) chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := b.Invoke(ctx, request("b@example.invalid"))
			ended <- err
		}()
		return ended
	}
	t.Run("a server that does not greet", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := send(ctx, (&mailServer{Listener: silent}).bind(t))
		c, err := silent.Accept()
		require.NoError(t, err)
		defer c.Close()
		cancel()
		require.ErrorIs(t, within(t, ended), context.Canceled)
	})
	t.Run("a server that does not take the text, and a mail that waits for its connection", func(t *testing.T) {
		b := server.bind(t)
		b.pool = newPool(limits{connections: 1, mails: 1, idle: time.Hour}, b.pool.dial)
		ctx, cancel := context.WithCancel(t.Context())
		ended := send(ctx, b)
		<-reached
		hurried, giveUp := context.WithCancel(t.Context())
		giveUp()
		require.ErrorContains(t, within(t, send(hurried, b)), "waiting for one of 1 connections")
		cancel()
		require.ErrorIs(t, within(t, ended), context.Canceled)
	})
}

// tooLate is the answer to who has gone.
var tooLate = &gosmtp.SMTPError{Code: 451, Message: "too late"}

// within is what ended comes to.
func within(t *testing.T, ended chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		require.FailNow(t, "it goes on")
		return nil
	}
}

func TestSigningIn(t *testing.T) {
	server := (&mailServer{wantsPassword: true}).start(t, false, false)
	_, err := server.bind(t, "user", user, "password", "battery staple").Invoke(t.Context(), request("b@example.invalid"))
	require.ErrorContains(t, err, "signing in: 535")
	assert.NotContains(t, err.Error(), "battery")
	_, err = server.bind(t).Invoke(t.Context(), request("b@example.invalid"))
	require.ErrorContains(t, err, "MAIL: 502", "nobody signed in")
	_, err = server.bind(t, "user", user, "password", password).Invoke(t.Context(), request("b@example.invalid"))
	require.NoError(t, err)
	assert.Len(t, server.taken(), 1)
	require.Eventually(t, func() bool { return server.open.Load() <= 1 }, patience, checkEvery, "connections that did not get in are closed")
}

func TestTLS(t *testing.T) {
	server := new(mailServer).start(t, true, false)
	_, err := server.bind(t).Invoke(t.Context(), request("b@example.invalid"))
	require.ErrorContains(t, err, "STARTTLS: tls: failed to verify certificate")
	assert.Empty(t, server.taken(), "a server that cannot be known gets no mail")
	_, err = server.bind(t, "skipTLSVerify", "true").Invoke(t.Context(), request("b@example.invalid"))
	require.NoError(t, err)

	fromTheStart := new(mailServer).start(t, true, true)
	b := fromTheStart.bind(t)
	to := newServer(smtp.Metadata{Host: "127.0.0.1", Port: fromTheStart.port(), SkipTLSVerify: true})
	to.beginsWithTLS = true // as port 465 does
	b.pool = newPool(usual, to.dial)
	_, err = b.Invoke(t.Context(), request("b@example.invalid"))
	require.NoError(t, err)
	for _, got := range [][]received{server.taken(), fromTheStart.taken()} {
		require.Len(t, got, 1)
		assert.True(t, got[0].tls)
	}
	assert.True(t, newServer(smtp.Metadata{Port: 465}).beginsWithTLS)
}

// TestRefusalsAreContribs: what is missing is told in the same words, of components and of requests.
func TestRefusalsAreContribs(t *testing.T) {
	properties := func(pairs ...string) bindings.Metadata {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return bindings.Metadata{Base: metadata.Base{Properties: m}}
	}
	log := logger.NewLogger("test")
	for _, meta := range []bindings.Metadata{
		{}, properties("host", "h"), properties("port", "25"), properties("host", "h", "port", "x"), properties("host", "h", "port", "25", "user", "u"),
		properties("host", "h", "port", "25", "password", "p"), properties("host", "h", "port", "25", "priority", "9"),
	} {
		theirs, ours := smtp.NewSMTP(log).Init(t.Context(), meta), New(log).Init(t.Context(), meta)
		require.Error(t, theirs)
		assert.EqualError(t, ours, theirs.Error(), "%v", meta.Properties)
	}
	for _, request := range []map[string]string{
		{"emailTo": "b@x.invalid", "subject": "s"}, {"emailFrom": "a@x.invalid", "subject": "s"}, {"emailFrom": "a@x.invalid", "emailTo": "b@x.invalid"},
		{"priority": "6"}, {"priority": "0"},
	} {
		said := make([]string, 0, 2)
		for _, b := range []bindings.OutputBinding{smtp.NewSMTP(log), New(log)} {
			require.NoError(t, b.Init(t.Context(), properties("host", "127.0.0.1", "port", "1")))
			_, err := b.Invoke(t.Context(), &bindings.InvokeRequest{Metadata: request})
			require.Error(t, err)
			said = append(said, strings.ReplaceAll(err.Error(), "  ", " "))
		}
		assert.Equal(t, said[0], said[1])
	}
}
