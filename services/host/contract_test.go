package host

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The gateway asks every few seconds; what it has must not be sent, read and compiled each time.
func TestAContractThatIsKnownIsNotSentAgain(t *testing.T) {
	s := &fakeService{name: "shop", contract: []byte("openapi: 3.0.3\npaths: {}\n")}
	h, err := New(Config{}, Outside{Sidecar: upSidecar()}, s.named())
	require.NoError(t, err)
	ask := func(tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/shop/openapi.yaml", nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		w := httptest.NewRecorder()
		h.app.ServeHTTP(w, r)
		return w
	}
	first := ask("")
	tag := first.Header().Get("ETag")
	require.NotEmpty(t, tag)
	for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		w := ask(known)
		assert.Equal(t, http.StatusNotModified, w.Code, known)
		assert.Empty(t, w.Body.String(), known)
		assert.Equal(t, tag, w.Header().Get("ETag"))
	}
	assert.Equal(t, first.Body.String(), ask(`"other"`).Body.String())
}
