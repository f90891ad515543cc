package bench

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPassagesAreWhatTheyClaim looks at what is sent through a door, and at what is made of answers that did not come through as they should.
func TestPassagesAreWhatTheyClaim(t *testing.T) {
	var answer func(key string) string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Len(t, body, passedBytes)
		assert.True(t, json.Valid(body), "%s", body)
		assert.Equal(t, "Bearer ada", r.Header.Get("Authorization"))
		assert.Equal(t, "/v1/orders", r.URL.Path)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, answer(r.Header.Get("Idempotency-Key")))
	}))
	defer server.Close()
	whole := func(key string) string {
		a := `{"customer":"` + key + `"`
		return a + strings.Repeat(" ", answeredBytes-len(a)-1) + "}"
	}
	target := Target{Kind: Passages, Bases: []string{server.URL}, Tokens: []string{"ada"}, SKUs: skuNames(1), Prefix: "run-", Within: time.Minute}
	shoot, closeAll, err := shots(target, 1)
	require.NoError(t, err)
	defer closeAll()
	for name, c := range map[string]struct {
		answer func(key string) string
		want   Outcome
	}{
		"as it should be": {whole, Accepted},
		"cut off":         {func(key string) string { return whole(key)[:answeredBytes-1] }, Wrong},
		"of another":      {func(string) string { return whole("run-000000000099") }, Wrong},
	} {
		answer = c.answer
		assert.Equal(t, c.want, shoot(0, 7), name)
	}
}
