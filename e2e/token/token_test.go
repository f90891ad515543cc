package token_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/token"
)

func TestATokenIsSignedByTheFirstKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	dir := t.TempDir()
	set := fmt.Sprintf(`{"keys":[{"kty":"oct","kid":"s","k":"AAAA"},{"kty":"OKP","crv":"Ed25519","kid":"k1","d":%q,"x":%q}]}`,
		base64.RawURLEncoding.EncodeToString(private.Seed()), base64.RawURLEncoding.EncodeToString(public))
	require.NoError(t, os.WriteFile(filepath.Join(dir, token.FileName), []byte(set), 0o600))
	keys, err := token.Of(dir)
	require.NoError(t, err)

	ada := keys.Caller("ada", token.Customer)
	text := ada.Token()
	assert.Equal(t, text, ada.Token(), "it is kept while it holds")
	parts := strings.Split(text, ".")
	require.Len(t, parts, 3)
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	assert.True(t, ed25519.Verify(public, []byte(parts[0]+"."+parts[1]), signature))
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var said map[string]any
	require.NoError(t, json.Unmarshal(payload, &said))
	assert.Equal(t, "ada", said["sub"])
	assert.Equal(t, []any{"customer"}, said["roles"])
	assert.NotContains(t, said, "tenant")
	assert.Greater(t, said["exp"], float64(time.Now().Add(30*time.Minute).Unix()))
}

func TestWhatIsNoKeySet(t *testing.T) {
	_, err := token.Of(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
	for _, text := range []string{"", "[]", `{"keys":[]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","d":"c2VjcmV0"}]}`} {
		path := filepath.Join(t.TempDir(), "keys")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := token.Read(path)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "c2VjcmV0")
	}
}
