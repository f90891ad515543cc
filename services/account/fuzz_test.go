package account

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// FuzzTokens: whatever comes as a refresh or device token is one that was given, or none; one is never taken for the other.
func FuzzTokens(f *testing.F) {
	k, err := identity.ParseKeys([]byte(newKeySet(f)))
	require.NoError(f, err)
	given := refreshToken{uuid.NewString(), uuid.NewString(), 7}
	refresh, device := given.write(k), deviceToken(k, given.account, given.session)
	other := refreshToken{uuid.NewString(), uuid.NewString(), 0}.write(k)
	for _, seed := range []string{refresh, device, other, "", ".", refresh[:len(refresh)-1], refresh + "A", "x." + refresh, refresh + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := readRefreshToken(k, token)
		if err == nil {
			require.Contains(t, []string{refresh, other}, token)
			require.Equal(t, token, got.write(k))
		} else {
			require.True(t, errs.HasCode(err, accountapi.CodeSessionEnded))
		}
		if readDevice(k, given.account, token) != "" {
			require.Equal(t, device, token)
		}
	})
}

// FuzzEmail: an address is refused, or comes in a form that stays as it is when it is checked again.
func FuzzEmail(f *testing.F) {
	for _, seed := range []string{adasEmail, "Ada@Example.com", "a@b", "@", "ada <ada@example.com>", "a\x00@b.c", "ÄÖÜ@exämple.com", "İ@example.com", "ᾳ@x.y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		email, err := checkEmail("/email", text)
		if err != nil {
			require.Equal(t, errs.Invalid, errs.From(err).Kind)
			return
		}
		again, err := checkEmail("/email", email)
		require.NoError(t, err, "%q of %q", email, text)
		require.Equal(t, email, again)
	})
}
