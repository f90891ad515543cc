package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/identity"
)

// signer says which key of which set signed a token.
func signer(t *testing.T, token string) string {
	signed, err := jose.ParseSignedCompact(strings.TrimSpace(token), []jose.SignatureAlgorithm{jose.EdDSA})
	require.NoError(t, err)
	return signed.Signatures[0].Header.KeyID
}

func TestKeysAreMadeRotatedAndNeverOverwritten(t *testing.T) {
	at := func(name string) string { return filepath.Join(t.TempDir(), name) }
	first, next, last := at("first"), at("next"), at("last")
	code, out, stderr := command(nil, "keys", "new", "--out", first)
	require.Equal(t, exitOK, code, stderr)
	assert.Empty(t, out)
	info, err := os.Stat(first)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	before, err := os.ReadFile(first)
	require.NoError(t, err)
	code, _, stderr = command(nil, "keys", "new", "--out", first)
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, stderr, "is there already")
	after, err := os.ReadFile(first)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	left, err := os.ReadDir(filepath.Dir(first))
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file stays")

	code, _, stderr = command(nil, "keys", "promote", first)
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, stderr, "sidecart keys add")
	for _, args := range [][]string{{"keys", "add", first, "--out", next}, {"keys", "promote", next, "--out", last}} {
		code, _, stderr = command(nil, args...)
		require.Equal(t, exitOK, code, stderr)
	}
	tokens := map[string]string{}
	for _, file := range []string{first, next, last} {
		code, tokens[file], stderr = command(nil, "token", "--keys", file)
		require.Equal(t, exitOK, code, stderr)
	}
	assert.Equal(t, signer(t, tokens[first]), signer(t, tokens[next]), "what was added does not sign yet")
	assert.NotEqual(t, signer(t, tokens[first]), signer(t, tokens[last]))
	document, err := os.ReadFile(last)
	require.NoError(t, err)
	keys, err := identity.ParseKeys(document)
	require.NoError(t, err)
	assert.Contains(t, string(keys.Public()), signer(t, tokens[first]), "the old key still verifies")
}

func TestATokenIsForWhoIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	_, document, _ := command(nil, "keys", "new")
	require.NoError(t, os.WriteFile(file, []byte(document), 0o600))
	code, out, stderr := command(nil, "token", "--keys", file, "--role", "customer,service", "--subject", "ada", "--tenant", "shop-1", "--for", "2m")
	require.Equal(t, exitOK, code, stderr)
	signed, err := jose.ParseSignedCompact(strings.TrimSpace(out), []jose.SignatureAlgorithm{jose.EdDSA})
	require.NoError(t, err)
	payload := string(signed.UnsafePayloadWithoutVerification())
	for _, want := range []string{`"sub":"ada"`, `"tenant":"shop-1"`, `"roles":["customer","service"]`, `"iss":"sidecart"`} {
		assert.Contains(t, payload, want)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no keys":     {nil, exitUsage, "--keys is missing"},
		"no file":     {[]string{"--keys", file + "x"}, exitFailure, "no such file"},
		"no key set":  {[]string{"--keys", "keys_test.go"}, exitFailure, "not a JWK set"},
		"no role":     {[]string{"--keys", file, "--role", "root"}, exitUsage, `no role "root"`},
		"no subject":  {[]string{"--keys", file, "--subject", ""}, exitUsage, "subject"},
		"a long time": {[]string{"--keys", file, "--for", "8760h"}, exitUsage, "--for"},
		"no time":     {[]string{"--keys", file, "--for", "0s"}, exitUsage, "--for"},
		"bad tenant":  {[]string{"--keys", file, "--tenant", "A/B"}, exitUsage, "tenant"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, stderr := command(nil, append([]string{"token"}, tc.args...)...)
			assert.Equal(t, tc.code, code)
			assert.Empty(t, out)
			assert.Contains(t, stderr, tc.want)
		})
	}
}
