package account

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// rotate makes a set with the keys of all documents, in their order.
func rotate(t *testing.T, documents ...string) string {
	var all []jsontext.Value
	for _, d := range documents {
		var set struct {
			Keys []jsontext.Value `json:"keys"`
		}
		require.NoError(t, json.Unmarshal([]byte(d), &set))
		all = append(all, set.Keys...)
	}
	document, err := json.Marshal(map[string]any{"keys": all})
	require.NoError(t, err)
	return string(document)
}

func TestNothingThatIsKeptOrLoggedGivesSecretsAway(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		a, tokens := w.ada()
		w.signIn(adasEmail, "wrong password", "").Refused(401, accountapi.CodeWrongCredentials)
		next := w.refresh(tokens.RefreshToken).tokens(200)
		w.call("PUT", "/v1/accounts/me/password", accountapi.PasswordRequest{Password: adasPassword, NewPassword: "eight blue parakeets"}, as(callerOf(a))).Is(200, nil)
		hash, _, err := openHash(w.replicas[0].service.keys.Load(), accountID("", adasEmail), w.sealed())
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(hash, "$argon2id$"))
		var kept strings.Builder
		for _, key := range w.store.Keys("") {
			kept.Write(w.store.Value(key))
		}
		require.Contains(t, kept.String(), "account.signed_up")
		for _, secret := range []string{
			adasPassword, "eight blue parakeets", "wrong password", "argon2id", tokens.RefreshToken, tokens.AccessToken, tokens.Device, next.RefreshToken, w.secrets.value,
		} {
			assert.NotContains(t, kept.String(), secret)
			assert.NotContains(t, w.log.String(), secret)
		}
		assert.NotContains(t, w.log.String(), adasEmail)
	})
}

// sealed is what is kept of ada's password.
func (w *world) sealed() string {
	j := w.replicas[0].service.journal
	return j.State(j.ShardOf(accountID("", adasEmail))).get(accountID("", adasEmail)).Hash
}

func TestKeysAreRotatedWhilePeopleAreSignedIn(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		_, tokens := w.ada()
		was := w.secrets.value
		next := newKeySet(t)
		w.secrets.set(rotate(t, next, was))
		later(keysEvery + time.Second)
		tokens = w.refresh(tokens.RefreshToken).tokens(200)
		before := w.sealed()
		again := w.signIn(adasEmail, adasPassword, tokens.Device).tokens(201)
		assert.NotEqual(t, before, w.sealed(), "it is sealed with the new key")

		w.secrets.set(next) // the old key leaves
		later(keysEvery + time.Second)
		w.refresh(again.RefreshToken).tokens(200)
		w.signIn(adasEmail, adasPassword, "").tokens(201)
	})
}

func TestAKeyThatWasTakenAwayTooSoonIsADefectAndNoWrongPassword(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		w.ada()
		w.secrets.set(newKeySet(t))
		later(keysEvery + time.Second)
		w.signIn(adasEmail, adasPassword, "").Refused(500, errs.CodeInternal)
		assert.Contains(t, w.log.String(), "the key set has lost a key")
	})
}

func TestWithoutKeysItIsNotReady(t *testing.T) {
	inWorld(t, options{secrets: &secrets{}}, func(w *world) {
		require.Error(t, w.replicas[0].service.Ready())
		w.signUp(adasEmail, adasPassword).Refused(503, errs.CodeUnavailable)
		w.call("GET", "/v1/accounts/keys", nil).Refused(503, errs.CodeUnavailable)
		w.secrets.set(newKeySet(t))
		later(2 * firstKeysEvery)
		require.NoError(t, w.replicas[0].service.Ready())
		w.secrets.set("nonsense")
		later(keysEvery + time.Second)
		require.NoError(t, w.replicas[0].service.Ready(), "the last keys stay")
		assert.Contains(t, w.log.String(), "keys of accounts cannot be read")
	})
}

func TestTheGatewayBelievesItsTokensUntilTheirSessionEnds(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		v, err := identity.NewVerifier(identity.Config{}, identity.Deps{Inside: &http.Client{Transport: w}, Now: w.now})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(w.t.Context())
		done := make(chan error, 1)
		go func() { done <- v.Run(ctx) }()
		defer func() { stop(); require.NoError(t, <-done) }()

		a, tokens := w.ada()
		caller, expires, err := v.Verify(ctx, tokens.AccessToken)
		require.NoError(t, err)
		assert.Equal(t, callerOf(a), caller)
		assert.WithinDuration(t, w.now().Add(accessFor), expires, 2*time.Second)
		next := w.refresh(tokens.RefreshToken).tokens(200)
		w.call("DELETE", "/v1/accounts/me/sessions", nil, as(caller)).Is(204, nil)
		later(3 * time.Second)
		for _, token := range []string{tokens.AccessToken, next.AccessToken} {
			_, _, err = v.Verify(ctx, token)
			require.ErrorContains(t, err, "session of the access token has ended")
		}
		again := w.signIn(adasEmail, adasPassword, "").tokens(201)
		_, _, err = v.Verify(ctx, again.AccessToken)
		require.NoError(t, err)
	})
}

// A refresh whose answer is lost is repeated until it is answered, at another replica, while the store fails in every way: the
// session goes on, and one chain of tokens comes of it.
func TestARefreshIsSafeToRepeatWhateverFails(t *testing.T) {
	faults := journaltest.Faults{Seed: 3, FailBefore: 0.1, FailAfter: 0.1, PlainConflict: 0.1, Delay: 0.1}
	inWorld(t, options{replicas: 2, faults: faults}, func(w *world) {
		until := func(status int, ask func(replica int) answer) answer {
			for i := 0; ; i++ {
				if a := ask(i % 2); a.Status != 503 {
					a.Is(status, nil)
					return a
				}
			}
		}
		up := accountapi.SignUpRequest{Email: adasEmail, Password: adasPassword}
		until(201, func(r int) answer { return w.callAt(r, "POST", "/v1/accounts", up, with("Idempotency-Key", "k")) })
		in := accountapi.SignInRequest{Email: adasEmail, Password: adasPassword}
		tokens := until(201, func(r int) answer { return w.callAt(r, "POST", "/v1/accounts/sessions", in) }).tokens(201)
		for range 30 {
			body := accountapi.RefreshRequest{RefreshToken: tokens.RefreshToken}
			ask := func(r int) answer { return w.callAt(r, "POST", "/v1/accounts/sessions/refresh", body) }
			first := until(200, ask).tokens(200) // whose answer is lost
			tokens = until(200, func(r int) answer { return ask(1 - r) }).tokens(200)
			require.Equal(t, first.RefreshToken, tokens.RefreshToken)
		}
	})
}
