package host

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

func TestInProcessDeadlineHoldsEvenIfTheHandlersDoesNot(t *testing.T) {
	release, left := make(chan struct{}), make(chan error, 1)
	client := local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		<-release
		_, err := w.Write(bytes.Repeat([]byte("x"), maxHeldBytes+1)) // nobody reads it
		left <- err
	}))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err := httpx.Call(ctx, client, http.MethodPost, "http://shop/x", nil, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.True(t, errs.HasCode(err, errs.CodeOutcomeUnknown))
	close(release)
	require.Error(t, <-left, "the late writer is let go")
}

func TestInProcessStreamEndsWithItsReader(t *testing.T) {
	left := make(chan error, 1)
	client := local(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		w.Header().Set("X-Late", "too late")
		for {
			if _, err := w.Write(make([]byte, maxHeldBytes)); err != nil {
				left <- err
				return
			}
		}
	}))
	resp, err := client.Get("http://shop/x")
	require.NoError(t, err)
	assert.Equal(t, http.StatusAccepted, resp.StatusCode)
	assert.Empty(t, resp.Header.Get("X-Late"))
	_, err = io.CopyN(io.Discard, resp.Body, 3*maxHeldBytes)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Error(t, <-left)
}

func TestInProcessPanicsAndAborts(t *testing.T) {
	var logged bytes.Buffer
	tr := newTransport(Config{}, slog.New(slog.NewTextHandler(&logged, nil)))
	tr.local["shop"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/shop/panic":
			_, _ = io.WriteString(w, "half an ans")
			panic("ouch")
		case "/shop/abort":
			panic(http.ErrAbortHandler)
		default: // panics while it streams
			_, _ = w.Write(make([]byte, 2*maxHeldBytes))
			panic("ouch")
		}
	})
	client := &http.Client{Transport: tr}
	resp, err := client.Get("http://shop/panic")
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	assert.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	e := httpx.ReadProblem(resp)
	assert.Equal(t, errs.CodeInternal, e.Code)
	assert.NotContains(t, e.Error(), "ouch")
	assert.Contains(t, logged.String(), "ouch")

	_, err = client.Get("http://shop/abort")
	require.ErrorIs(t, err, errAborted)

	stream, err := client.Get("http://shop/stream")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, stream.Body)
	require.ErrorIs(t, err, errAborted, "a broken answer does not look complete")
	require.NoError(t, stream.Body.Close())
}

func TestInProcessBodiesAreClosed(t *testing.T) {
	client := local(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	closed := make(chan struct{})
	req, err := http.NewRequest(http.MethodPost, "http://shop/x", closeTeller{Reader: errorReader{}, told: closed})
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	<-closed
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errors.New("not to be read") }

type closeTeller struct {
	io.Reader
	told chan struct{}
}

func (c closeTeller) Close() error { close(c.told); return nil }

// The context that a handler has may end before the answer has: the kit ends its own when the handler returns, which is before all has
// been read. Whoever asked still reads it to its end.
func TestAnAnswerThatStreamsIsReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			*r = *r.WithContext(ctx) // as the kit does
			w.(http.Flusher).Flush()
			cancel()
			synctest.Wait() // until whatever waits for that end has acted
			_, err := io.WriteString(w, "the end")
			assert.NoError(t, err)
		}))
		assert.Equal(t, "the end", text(t, client, t.Context(), http.MethodGet, "http://shop/x"))
	})
}

// Who reads a stream and its handler, which goes on, have headers of their own: a map that both used would be the end of the process.
func TestHeadersOfAStreamAreItsReaders(t *testing.T) {
	client := local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before := w.Header()
		before.Set("X-First", "told")
		w.(http.Flusher).Flush()
		for r.Context().Err() == nil {
			before.Set("X-Late", "too late")
			w.Header().Set("X-Late", "too late")
		}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://shop/x", nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	for i := range 1000 {
		resp.Header.Set("X-Mine", strconv.Itoa(i))
	}
	assert.Equal(t, "told", resp.Header.Get("X-First"))
	assert.Empty(t, resp.Header.Get("X-Late"))
	cancel()
	_, _ = io.Copy(io.Discard, resp.Body) // it ends because the caller gave up or because the handler has returned, whichever is first
	require.NoError(t, resp.Body.Close())
}
