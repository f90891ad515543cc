package rollout

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// named is a server that says its name.
func named(t *testing.T, name string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// ask makes one request; "" says that the connection was cut off.
func ask(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		return ""
	}
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return string(body)
}

func TestNewConnectionsGoToEndpointsAndOldOnesStay(t *testing.T) {
	s, err := NewService()
	require.NoError(t, err)
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	assert.Empty(t, ask(t, fresh, s.URL()), "there is no endpoint")
	a, b := named(t, "a"), named(t, "b")
	s.Add(a)
	kept := &http.Client{Transport: &http.Transport{}}
	require.Equal(t, "a", ask(t, kept, s.URL()))
	s.Add(b)
	seen := map[string]int{}
	for range 10 {
		seen[ask(t, fresh, s.URL())]++
	}
	assert.Equal(t, map[string]int{"a": 5, "b": 5}, seen)
	s.Remove(a)
	for range 10 {
		require.Equal(t, "b", ask(t, fresh, s.URL()))
	}
	assert.Equal(t, "a", ask(t, kept, s.URL()), "an open connection stays where it is")
	require.NoError(t, s.Close())
	assert.Empty(t, ask(t, kept, s.URL()))
}

func TestTallyTellsWhatMayBeRepeatedFromWhatMayNot(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/later":
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"code":"unavailable"}`)
		case "/never":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/cut":
			panic(http.ErrAbortHandler)
		}
	}
	s := httptest.NewServer(http.HandlerFunc(answer))
	defer s.Close()
	var tally Tally
	c := &http.Client{Transport: tally.Through(&http.Transport{})}
	for _, path := range []string{"/", "/later", "/never", "/broken", "/cut", "/"} {
		ask(t, c, s.URL+path)
	}
	assert.Equal(t, []string{"GET /never: 503 Service Unavailable", "GET /broken: 500 Internal Server Error"}, tally.Failures())
	assert.Contains(t, tally.String(), "6 requests, of which 1 503 unavailable, 1 no answer; at most ")
}
