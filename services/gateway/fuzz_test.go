package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzOpsCursor reads what an operator says was the end of a page over all services: it names one of them, or is refused.
func FuzzOpsCursor(f *testing.F) {
	f.Add(opsCursor{Service: "shop", Inner: "abc"}.write())
	f.Add("")
	f.Add("eyJzIjoiLi4vYSJ9")
	s := gatewayOf(f, &upstreams{handlers: map[string]http.Handler{"shop": stub(shop, nil)}}, nil)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := s.readCursor(text)
		if err != nil {
			return
		}
		require.Contains(t, s.cfg.Services, c.Service)
		again, err := s.readCursor(c.write())
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

// FuzzBearer takes credentials apart: a token is what the one header has behind its scheme, and two headers have none.
func FuzzBearer(f *testing.F) {
	f.Add("Bearer abc", "")
	f.Add("bearer  a.b.c ", "Bearer second")
	f.Add("Basic Zm9v", "")
	f.Fuzz(func(t *testing.T, first, second string) {
		h := http.Header{"Authorization": {first}}
		if second != "" {
			h.Add("Authorization", second)
		}
		token, given := bearer(h)
		require.True(t, given, "whoever sends credentials is not taken for somebody who sends none")
		require.Equal(t, strings.TrimSpace(token), token)
		if second != "" {
			require.Empty(t, token)
		} else if token != "" {
			require.True(t, strings.EqualFold("bearer ", first[:len("bearer ")]) && strings.Contains(first, token), "%q of %q", token, first)
		}
	})
}
