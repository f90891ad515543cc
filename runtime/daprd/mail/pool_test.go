package mail

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	patience   = 20 * time.Second
	checkEvery = 5 * time.Millisecond
)

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
