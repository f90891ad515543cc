package mail

import (
	"context"
	"net"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

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
