package host

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/vitals"
)

// TestProfilesAreForWhoShowsTheToken is an incident: an open profiling endpoint gave anybody a dump of the heap, with the secrets in it,
// and a way to keep the processor busy.
func TestProfilesAreForWhoShowsTheToken(t *testing.T) {
	const token = "a-token-of-the-operators"
	ask := func(h http.Handler, path, authorization string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	closed, err := New(Config{}, Outside{Sidecar: upSidecar()}, (&fakeService{name: "shop"}).named())
	require.NoError(t, err)
	open, err := New(Config{PProfToken: token}, Outside{Sidecar: upSidecar()}, (&fakeService{name: "shop"}).named())
	require.NoError(t, err)
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
		off := ask(closed.internal, path, "")
		assert.Equal(t, http.StatusNotFound, off.Code, path)
		for _, wrong := range []string{"", "Bearer", "Bearer ", token, "Bearer " + token + "x", "Bearer " + token[:len(token)-1], "Basic " + token} {
			w := ask(open.internal, path, wrong)
			assert.Equal(t, http.StatusNotFound, w.Code, "%s %q", path, wrong)
			assert.Equal(t, off.Header().Get("Content-Type"), w.Header().Get("Content-Type"), "nothing tells that there is something")
			assert.True(t, httpx.IsProblem(w.Result()))
		}
		assert.Equal(t, http.StatusNotFound, ask(open.app, path, "Bearer "+token).Code, "not where the sidecar calls")
	}
	assert.Equal(t, http.StatusOK, ask(open.internal, "/debug/pprof/", "Bearer "+token).Code)
	assert.Equal(t, http.StatusOK, ask(open.internal, "/debug/pprof/heap", "Bearer "+token).Code)
	assert.Equal(t, http.StatusNotFound, ask(open.internal, "/debug/pprof/cmdline", "Bearer "+token).Code)

	_, err = New(Config{PProfToken: "short"}, Outside{Sidecar: upSidecar()}, (&fakeService{name: "shop"}).named())
	require.ErrorContains(t, err, "SIDECART_PPROF_TOKEN")
	assert.NotContains(t, err.Error(), "short")
}

// TestAProcessThatCannotWorkYetIsAlive is an incident: liveness asked whether the store was there, so every pod that waited for the store,
// or took long to read its journal, was killed while it started, and began anew for ever.
func TestAProcessThatCannotWorkYetIsAlive(t *testing.T) {
	shop := &fakeService{name: "shop"}
	shop.notReady.Store(true)
	h, err := New(Config{Vitals: vitals.Config{Leave: true}}, Outside{Sidecar: &fakeSidecar{up: make(chan struct{})}}, shop.named())
	require.NoError(t, err)
	alive := func(when string) {
		for _, path := range []string{livePath, healthPath} {
			assert.Equal(t, http.StatusOK, request(t, h.internal, http.MethodGet, path, "", "").Code, "%s %s", path, when)
		}
		assert.Equal(t, http.StatusOK, request(t, h.app, http.MethodGet, healthPath, "", "").Code, when)
		assert.Equal(t, http.StatusServiceUnavailable, request(t, h.internal, http.MethodGet, readyPath, "", "").Code, when)
	}
	alive("while it waits for its sidecar")
	h.sidecarUp.Store(true)
	alive("while a service reads its journal")
	h.stopping.Store(true)
	alive("while it stops")
}
