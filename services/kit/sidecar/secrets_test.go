package sidecar

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The component is the shipped one, as it stands.
func TestASecretComesFromTheSidecarsEnvironment(t *testing.T) {
	t.Setenv("SIDECART_ACCOUNT_KEYS", "two\nlines")
	t.Setenv("SIDECART_ACCOUNT_EMPTY", "")
	shipped, err := os.ReadFile(filepath.Join("..", "..", "..", "components", "embedded", "account-secrets.yaml"))
	require.NoError(t, err)
	_, spec, found := strings.Cut(string(shipped), "\nspec:\n")
	require.True(t, found)
	spec, _, found = strings.Cut(spec, "\nscopes:")
	require.True(t, found)
	c, _ := startDaprd(t, http.NotFoundHandler(), map[string]string{"account-secrets": "spec:\n" + spec + "\n"})

	value, err := c.Secret(t.Context(), "account-secrets", "KEYS")
	require.NoError(t, err)
	assert.Equal(t, "two\nlines", value)
	for _, name := range []string{"EMPTY", "NOT_THERE"} {
		_, err = c.Secret(t.Context(), "account-secrets", name)
		require.Error(t, err, name)
		assert.NotContains(t, err.Error(), "two\nlines")
	}
	_, err = c.Secret(t.Context(), "no-such-store", "KEYS")
	require.ErrorContains(t, err, "no-such-store")
}
