package mail

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dapr/components-contrib/bindings"
	"github.com/dapr/components-contrib/bindings/smtp"
	"github.com/dapr/components-contrib/metadata"
	"github.com/dapr/kit/logger"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
