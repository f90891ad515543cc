package account

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/errs"
)

func TestStrangersAreHeldUpAndKnownDevicesAreNot(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		_, tokens := w.ada()
		for range failuresAllowed {
			w.signIn(adasEmail, "wrong password", "").Refused(401, accountapi.CodeWrongCredentials)
		}
		w.signIn(adasEmail, "wrong password", "").Refused(429, accountapi.CodeTooManyFailures)
		w.signIn(adasEmail, adasPassword, "").Refused(429, accountapi.CodeTooManyFailures)
		w.signIn(adasEmail, adasPassword, "made.up").Refused(429, accountapi.CodeTooManyFailures)
		again := w.signIn(adasEmail, adasPassword, tokens.Device).tokens(201)
		assert.Equal(t, tokens.Device, again.Device, "the device stays the same one")

		w.signUp("eve@example.com", "a password of eve's").Is(201, nil)
		eve := w.signIn("eve@example.com", "a password of eve's", "").tokens(201)
		w.signIn(adasEmail, adasPassword, eve.Device).Refused(429, accountapi.CodeTooManyFailures) // known elsewhere is a stranger here

		w.leap(failureWindow)
		w.signIn(adasEmail, adasPassword, "").tokens(201)
	})
}

func TestADeviceThatGuessesIsHeldUpItself(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		_, tokens := w.ada()
		for range failuresAllowed {
			w.signIn(adasEmail, "wrong password", tokens.Device).Refused(401, accountapi.CodeWrongCredentials)
		}
		w.signIn(adasEmail, adasPassword, tokens.Device).Refused(429, accountapi.CodeTooManyFailures)
		w.signIn(adasEmail, adasPassword, "").tokens(201)
	})
}

func TestAnAddressWithoutAnAccountLooksLikeOneWith(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		w.ada()
		for i := range failuresAllowed + 2 {
			with, without := w.signIn(adasEmail, "wrong password", ""), w.signIn("nobody@example.com", "wrong password", "")
			require.Equal(t, with.Status, without.Status, "attempt %d", i)
			require.Equal(t, with.Header.Get("Retry-After"), without.Header.Get("Retry-After"))
		}
	})
}

func TestAttemptsAtTheSameTimeAreCounted(t *testing.T) {
	g := newGuard(func() time.Time { return time.Time{} })
	who := watched{account: "a"}
	for range failuresAllowed {
		require.NoError(t, g.attempt(who)) // none of them is judged yet
	}
	err := g.attempt(who)
	require.Error(t, err)
	assert.Equal(t, failureWindow, errs.From(err).RetryAfter)
	g.undo(who)
	require.NoError(t, g.attempt(who), "what was not judged does not count")
	g.succeeded(who)
	require.NoError(t, g.attempt(who))
}

// TestWhatIsNotJudgedPushesNothingOut: a crowd of attempts that find no room to be hashed is cheap to make.
func TestWhatIsNotJudgedPushesNothingOut(t *testing.T) {
	g := newGuard(func() time.Time { return time.Time{} })
	failing := watched{account: "failing"}
	require.NoError(t, g.attempt(failing))
	for i := range 10 {
		w := watched{account: fmt.Sprint(i)}
		require.NoError(t, g.attempt(w))
		g.undo(w)
		g.undo(w) // nothing is left of it
	}
	assert.Len(t, g.watched, 1)
	require.NoError(t, g.attempt(failing))
	g.undo(failing)
	assert.Equal(t, 1, g.watched[failing].count, "what was judged stays")
}

func TestWhatIsWatchedIsBounded(t *testing.T) {
	now := time.Time{}
	g := newGuard(func() time.Time { return now })
	for i := range maxWatched {
		require.NoError(t, g.attempt(watched{account: fmt.Sprint(i)}))
	}
	require.NoError(t, g.attempt(watched{account: "one more"}))
	assert.Len(t, g.watched, maxWatched)
	now = now.Add(failureWindow)
	require.NoError(t, g.attempt(watched{account: "later"}))
	assert.Len(t, g.watched, 1, "what is over makes room first")
}
