package httpx

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
)

// FuzzEdge sends what a stranger may send beside a body through both kinds of listener: the trace, the id and the time of a request
// are good whatever came in, and so is what is passed on; a page is within its bounds or refused by name.
func FuzzEdge(f *testing.F) {
	f.Add(parent, "a=b,c@d=e", "my-id", "5000", "", "cursor=abc&limit=20")
	f.Add("00-"+strings.Repeat("0", 32)+"-00f067aa0ba902b7-01", strings.Repeat("a=b,", 33), "a\x00b", "-1", `W/"x", "y"`, "limit=+1&cursor=a;b")
	f.Add("cc-"+callers+"-00f067aa0ba902b7-01-what", "=", strings.Repeat("x", 300), "9223372036854775807", "*,", "limit=1&limit=2")
	f.Add("\xff", "\n", "", "0x10", `"`, "%zz=%&cursor=%00")
	f.Fuzz(func(t *testing.T, traceparent, tracestate, id, within, tags, query string) {
		for _, listener := range []string{Public, "internal"} {
			e := NewEcho(Config{Listener: listener, HandlerTimeout: time.Minute}, Deps{NewID: func() string { return "made-here" }})
			e.GET("/things", func(c echo.Context) error {
				ctx := c.Request().Context()
				require.True(t, isPlain(RequestID(ctx), maxRequestIDBytes), "%q", RequestID(ctx))
				require.Regexp(t, `^[0-9a-f]{32}$`, TraceID(ctx))
				require.NotEqual(t, strings.Repeat("0", 32), TraceID(ctx))
				end, bounded := ctx.Deadline()
				require.True(t, bounded && time.Until(end) <= time.Minute, "nobody asks for more time than there is")
				on := http.Header{}
				Propagate(ctx, on)
				require.Equal(t, TraceID(ctx), TraceIDOf(on.Get("Traceparent")))
				_ = HasTag(c.Request().Header, `"x"`)
				cursor, limit, err := Page(c)
				if err != nil {
					require.NotEmpty(t, requireError(t, err).Fields)
					return err
				}
				require.True(t, limit >= 1 && limit <= MaxPageItems && len(cursor) <= MaxCursorBytes)
				return c.NoContent(http.StatusNoContent)
			})
			r := &http.Request{Method: http.MethodGet, Host: "localhost", URL: &url.URL{Path: "/things", RawQuery: query}, Header: http.Header{}, Body: http.NoBody}
			for name, value := range map[string]string{
				"Traceparent": traceparent, "Tracestate": tracestate, HeaderRequestID: id, HeaderWithin: within, "If-None-Match": tags,
			} {
				r.Header[http.CanonicalHeaderKey(name)] = []string{value}
			}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			require.Contains(t, []int{http.StatusNoContent, http.StatusBadRequest, http.StatusRequestURITooLong}, w.Code, "%s", w.Body)
			require.True(t, isPlain(w.Header().Get(HeaderRequestID), maxRequestIDBytes))
		}
	})
}
