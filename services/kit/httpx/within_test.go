package httpx

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// left is how long a handler behind a listener has for a request with these headers.
func left(t *testing.T, listener string, h http.Header) time.Duration {
	var out time.Duration
	e := NewEcho(Config{Listener: listener, HandlerTimeout: 10 * time.Second}, Deps{})
	e.GET("/", func(c echo.Context) error {
		end, ok := c.Request().Context().Deadline()
		require.True(t, ok)
		out = time.Until(end)
		return c.NoContent(http.StatusNoContent)
	})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = h
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	require.Equal(t, http.StatusNoContent, w.Code)
	return out
}

func TestACallersTimeIsTheNextOnesToo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	h := http.Header{}
	PutWithin(ctx, h)
	assert.LessOrEqual(t, left(t, "app", h), 5*time.Second)
	assert.Greater(t, left(t, Public, h), 5*time.Second, "nobody outside says how long anything may take")

	for _, text := range []string{"", "0", "-1", "x", "1.5", "99999999999999999999", "3600001", "60000"} {
		assert.Greater(t, left(t, "app", http.Header{HeaderWithin: {text}}), 5*time.Second, text)
	}
	assert.Greater(t, left(t, "app", http.Header{HeaderWithin: {"100", "100"}}), 5*time.Second, "twice is nothing")

	h = http.Header{}
	PutWithin(t.Context(), h)
	assert.Empty(t, h, "no end, no header")
	past, end := context.WithDeadline(t.Context(), time.Now().Add(-time.Minute))
	defer end()
	PutWithin(past, h)
	assert.Equal(t, []string{"1"}, h[HeaderWithin])
}

func TestWhoGaveUp(t *testing.T) {
	past := time.Now().Add(-time.Second)
	over, cancel := context.WithDeadline(t.Context(), past)
	defer cancel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	assert.False(t, GaveUp(WithCallersEnd(t.Context(), past)), "as long as there is time")
	assert.False(t, GaveUp(over), "our own time")
	assert.False(t, GaveUp(WithCallersEnd(over, past.Add(time.Hour))), "our own time, which is shorter than the caller's")
	assert.True(t, GaveUp(WithCallersEnd(over, past)))
	assert.True(t, GaveUp(gone))
}
