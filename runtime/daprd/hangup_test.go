package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCallersMayHangUp: a caller that goes away while an answer comes costs nobody else anything. It is about the files in
// dapr-config: with a time limit on calls to apps in resiliency.yaml daprd panics here within a few calls.
func TestCallersMayHangUp(t *testing.T) {
	skipIfShort(t)
	const calls = 50
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 32<<10)
		for r.Context().Err() == nil && r.URL.Path == "/endless" {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	t.Cleanup(app.Close)
	at, err := url.Parse(app.URL)
	require.NoError(t, err)
	dir := t.TempDir()
	writeComponent(t, dir, "scratch", "state.in-memory")
	d := startDaprdWith(t, "talker", dir, []string{"SIDECART_NAMES_DIR=" + dir + "/"}, []string{"--app-port", at.Port(), "--app-protocol", "http"},
		dir, "../../dapr-config")
	d.waitReady(t)
	for range calls {
		ctx, hangUp := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.baseURL+"/v1.0/invoke/talker/method/endless", nil)
		require.NoError(t, err)
		req.Header.Set("dapr-api-token", apiToken)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err, d.log())
		_, err = io.CopyN(io.Discard, resp.Body, 100<<10)
		require.NoError(t, err, d.log())
		hangUp()
		_ = resp.Body.Close()
	}
	status, body := d.call(t, http.MethodGet, "/v1.0/invoke/talker/method/short", "")
	assert.Equal(t, http.StatusOK, status, body)
}
