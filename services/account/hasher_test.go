package account

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
)

func TestAHashIsOfItsPasswordAlone(t *testing.T) {
	h := newHasher(quick)
	hash, err := h.hash(t.Context(), adasPassword)
	require.NoError(t, err)
	other, err := h.hash(t.Context(), adasPassword)
	require.NoError(t, err)
	assert.NotEqual(t, hash, other, "each has a salt of its own")
	for password, want := range map[string]bool{adasPassword: true, adasPassword + " ": false, "": false} {
		same, stale, err := h.compare(t.Context(), hash, password)
		require.NoError(t, err)
		assert.Equal(t, want, same)
		assert.False(t, stale)
	}
	require.NoError(t, h.pretend(t.Context(), adasPassword))
	_, stale, err := newHasher(parameters{16, 1, 1}).compare(t.Context(), hash, adasPassword)
	require.NoError(t, err)
	assert.True(t, stale)
}

func TestParametersAreThoseOfTheHash(t *testing.T) {
	h := newHasher(recommended)
	hash, err := h.hash(t.Context(), "x")
	require.NoError(t, err)
	p, salt, sum, err := read(hash)
	require.NoError(t, err)
	assert.Equal(t, parameters{19456, 2, 1}, p)
	assert.Len(t, salt, saltBytes)
	assert.Len(t, sum, hashBytes)
	assert.Contains(t, hash, "$argon2id$v=19$m=19456,t=2,p=1$")
}

func TestWhatIsNoHashOfOursIsRefused(t *testing.T) {
	h := newHasher(quick)
	good, err := h.hash(t.Context(), "x")
	require.NoError(t, err)
	for _, bad := range []string{
		"", "$", "plain", "$argon2i$" + good[len("$argon2id$"):], good + "$", good[:len(good)-4],
		"$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$" + good[len(good)-43:],
	} {
		_, _, err := h.compare(t.Context(), bad, "x")
		require.Error(t, err, bad)
	}
}

func TestFewHashAtATimeAndFewWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(quick)
		var leave []func()
		for range hashesAtOnce {
			done, err := h.enter(t.Context())
			require.NoError(t, err)
			leave = append(leave, done)
		}
		var waiting sync.WaitGroup
		results := make(chan error, hashesWaiting)
		for range hashesWaiting {
			waiting.Go(func() {
				done, err := h.enter(t.Context())
				if err == nil {
					defer done()
				}
				results <- err
			})
		}
		synctest.Wait()
		_, err := h.enter(t.Context())
		require.Error(t, err, "there is no place to wait")
		assert.Equal(t, errs.Unavailable, errs.From(err).Kind)
		assert.NotZero(t, errs.From(err).RetryAfter)
		leave[0]()
		require.NoError(t, <-results)
		waiting.Wait() // all of the others have had their turn, one after the other
		leave[1]()
		assert.Empty(t, h.place)
		assert.Empty(t, h.turn)

		for range hashesAtOnce {
			_, err := h.enter(t.Context())
			require.NoError(t, err)
		}
		_, err = h.enter(t.Context()) // nobody leaves: hashWait
		assert.Equal(t, errs.CodeOverloaded, errs.From(err).Code)
		require.True(t, errors.Is(err, context.DeadlineExceeded))
	})
}

func TestParametersThatChangeReachTheHashAtTheNextSignIn(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		w.ada()
		s := w.replicas[0].service
		s.hasher = newHasher(parameters{16, 2, 1})
		w.signIn(adasEmail, adasPassword, "").tokens(201)
		hash, _, err := openHash(s.keys.Load(), accountID("", adasEmail), w.sealed())
		require.NoError(t, err)
		assert.Contains(t, hash, "m=16,t=2,p=1")
		w.signIn(adasEmail, adasPassword, "").tokens(201)
	})
}

func TestCommonPasswordsAreInTheirForm(t *testing.T) {
	assert.GreaterOrEqual(t, len(common()), 400)
	for word := range common() {
		_, err := checkNewPassword("/password", word, adasEmail)
		require.Error(t, err, word)
		assert.NotContains(t, err.Error(), "at least", "%q is too short to stand there", word)
	}
}

// BenchmarkHash is what a sign-in costs.
func BenchmarkHash(b *testing.B) {
	h := newHasher(recommended)
	b.ReportAllocs()
	for b.Loop() {
		if err := h.pretend(b.Context(), adasPassword); err != nil {
			b.Fatal(err)
		}
	}
}
