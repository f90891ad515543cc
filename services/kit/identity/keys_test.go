package identity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// members reads the keys of a set as they are written.
func members(t testing.TB, document []byte) []map[string]string {
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	require.NoError(t, json.Unmarshal(document, &set))
	return set.Keys
}

func set(t testing.TB, keys ...map[string]string) []byte {
	document, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	return document
}

func TestPublicKeysHaveNothingPrivate(t *testing.T) {
	document, err := NewKeys(rand.Reader)
	require.NoError(t, err)
	keys, err := ParseKeys(document)
	require.NoError(t, err)
	private, public := members(t, document), members(t, keys.Public())
	require.Len(t, private, 2)
	require.Len(t, public, 1)
	assert.Equal(t, "OKP", public[0]["kty"])
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("keys", slog.Any("keys", keys))
	shown := string(keys.Public()) + log.String() + fmt.Sprintf("%v %+v %#v %s", keys, keys, keys, keys)
	for _, secret := range []string{private[0]["d"], private[1]["k"]} {
		require.NotEmpty(t, secret)
		assert.NotContains(t, shown, secret)
	}
}

func TestTheFirstKeySignsAndAllVerify(t *testing.T) {
	one := newTestKeys(t)
	two, err := NewKeys(rand.Reader)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	curveKey := members(t, publish(t, jose.JSONWebKey{Key: curve, KeyID: "p256"}))[0]
	rotated, err := ParseKeys(set(t, append([]map[string]string{curveKey, members(t, one.Public())[0]}, members(t, two)...)...))
	require.NoError(t, err)
	token, err := rotated.Sign(ada())
	require.NoError(t, err)
	parsed, err := jose.ParseSignedCompact(token, ourAlgorithms)
	require.NoError(t, err)
	assert.Equal(t, "p256", parsed.Signatures[0].Header.KeyID)

	f := newFixture(t)
	f.account.serve("/keys", rotated.Public())
	f.run(t)
	old, err := one.Sign(ada())
	require.NoError(t, err)
	for _, token := range []string{token, old} {
		_, _, err = f.Verify(t.Context(), token)
		require.NoError(t, err)
	}
}

func TestBadKeySetsAreRefusedWithoutShowingThem(t *testing.T) {
	document, err := NewKeys(rand.Reader)
	require.NoError(t, err)
	sign, seal := members(t, document)[0], members(t, document)[1]
	other, err := NewKeys(rand.Reader)
	require.NoError(t, err)
	public, err := ParseKeys(document)
	require.NoError(t, err)
	with := func(key map[string]string, name, value string) map[string]string {
		c := map[string]string{name: value}
		for k, v := range key {
			if k != name {
				c[k] = v
			}
		}
		return c
	}
	for name, c := range map[string]struct {
		document []byte
		why      string
	}{
		"empty":             {nil, "not a JWK set"},
		"not JSON":          {[]byte(sign["d"]), "not a JWK set"},
		"no keys":           {[]byte(`{}`), "sidecart keys new"},
		"no sealing key":    {set(t, sign), "sidecart keys new"},
		"no signing key":    {set(t, seal), "sidecart keys new"},
		"an empty half":     {set(t, with(sign, "d", ""), seal), "key 0 of the set cannot sign"},
		"another's half":    {set(t, with(sign, "d", members(t, other)[0]["d"]), seal), "key 0 of the set cannot sign"},
		"public only":       {set(t, members(t, public.Public())[0], seal), "sidecart keys new"},
		"the same id twice": {set(t, sign, seal, sign), "key 2 of the set needs a kid of its own"},
		"no id":             {set(t, with(sign, "kid", ""), seal), "key 0"},
		"a short secret":    {set(t, sign, with(seal, "k", "c2hvcnQ")), "has 5 bytes"},
		"a dot in an id":    {set(t, sign, with(seal, "kid", "a.b")), "letters, digits"},
		"many":              {set(t, make([]map[string]string, maxKeys+1)...), "over 64 keys"},
		"long":              {[]byte(strings.Repeat(" ", MaxKeySetBytes+1)), "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKeys(c.document)
			require.ErrorContains(t, err, c.why)
			assert.NotContains(t, err.Error(), sign["d"])
			assert.NotContains(t, err.Error(), seal["k"])
		})
	}
}

func TestWhatIsSealedStaysReadableOverARotation(t *testing.T) {
	document, err := NewKeys(rand.Reader)
	require.NoError(t, err)
	was, err := ParseKeys(document)
	require.NoError(t, err)
	sealed, tagged := was.Seal("hash", "ada", []byte("secret")), was.Tag("refresh", []byte("data"))
	assert.NotContains(t, sealed, "secret")
	assert.Equal(t, tagged, was.Tag("refresh", []byte("data")), "a tag is a function of its data")
	assert.NotEqual(t, sealed, was.Seal("hash", "ada", []byte("secret")))

	next, err := NewKeys(rand.Reader)
	require.NoError(t, err)
	both, err := ParseKeys(set(t, append(members(t, next), members(t, document)...)...))
	require.NoError(t, err)
	plain, fresh, err := both.Open("hash", "ada", sealed)
	require.NoError(t, err)
	assert.Equal(t, "secret", string(plain))
	assert.False(t, fresh)
	_, fresh, err = both.Open("hash", "ada", both.Seal("hash", "ada", plain))
	require.NoError(t, err)
	assert.True(t, fresh)
	data, err := both.Untag("refresh", tagged)
	require.NoError(t, err)
	assert.Equal(t, "data", string(data))

	other := newTestKeys(t)
	for _, c := range []struct {
		keys                   *Keys
		purpose, about, sealed string
	}{
		{other, "hash", "ada", sealed}, {was, "hash", "eve", sealed}, {was, "other", "ada", sealed},
		{was, "hash", "ada", sealed[:len(sealed)-2]}, {was, "hash", "ada", ""}, {was, "hash", "ada", "."},
	} {
		_, _, err := c.keys.Open(c.purpose, c.about, c.sealed)
		require.ErrorIs(t, err, ErrNotOurs)
	}
	for _, token := range []string{"", ".", tagged + "A", tagged + "\n", tagged[:len(tagged)-2], strings.Replace(tagged, ".", ".A", 1)} {
		_, err := was.Untag("refresh", token)
		require.ErrorIs(t, err, ErrNotOurs, token)
	}
	_, err = was.Untag("device", tagged)
	require.ErrorIs(t, err, ErrNotOurs)
	_, err = other.Untag("refresh", tagged)
	require.ErrorIs(t, err, ErrNotOurs)
}
