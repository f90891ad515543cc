package httpxtest

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// Answer is what came back to a test.
type Answer struct {
	T      testing.TB
	Status int
	Header http.Header
	Body   []byte
}

// Ask asks a service whose routes are under prefix ("/order"). What is public is held against the contract. No contract promises a defect
// (500): such an answer is held to what every one of them says and does not say, the cause. A body is sent as JSON unless header says otherwise; nil sends none.
func (c *Contract) Ask(t testing.TB, service http.Handler, prefix, method, path string, body []byte, header http.Header) Answer {
	t.Helper()
	request := func(prefix string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), method, prefix+path, bytes.NewReader(body))
		if body != nil {
			r.Header.Set("Content-Type", "application/json")
		}
		for name, values := range header {
			r.Header[name] = values
		}
		return r
	}
	w := httptest.NewRecorder()
	service.ServeHTTP(w, request(prefix))
	a := Answer{t, w.Code, w.Header(), w.Body.Bytes()}
	switch {
	case a.Status == http.StatusInternalServerError:
		p := a.Refused(a.Status, errs.CodeInternal)
		require.Equal(t, errs.From(errors.New("the cause")).Message, p["detail"])
	case strings.HasPrefix(path, "/v1/"):
		c.Check(t, request(""), a.Status, a.Header, a.Body)
	}
	return a
}

// JSON writes a request's body: nil for none, a string as it is, anything else as JSON.
func JSON(t testing.TB, body any) []byte {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return nil
	case string:
		return []byte(b)
	}
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	return raw
}

// Is asserts the status and reads the body; into may be nil.
func (a Answer) Is(status int, into any) {
	a.T.Helper()
	require.Equal(a.T, status, a.Status, "%s", a.Body)
	if into != nil {
		require.NoError(a.T, json.Unmarshal(a.Body, into))
	}
}

// Refused asserts a problem document and gives its members. Who is to come again must be told when.
func (a Answer) Refused(status int, code string) map[string]any {
	a.T.Helper()
	var p map[string]any
	a.Is(status, &p)
	require.Equal(a.T, code, p["code"], "%s", a.Body)
	require.NotEmpty(a.T, p["trace_id"])
	require.Equal(a.T, httpx.ContentTypeProblem, a.Header.Get("Content-Type"))
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		require.NotEmpty(a.T, a.Header.Get("Retry-After"))
	}
	return p
}
