package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// dispatch answers every public request: the gateway's own pages, its own operations, or a service.
func (s *Service) dispatch(c echo.Context, body []byte) error {
	t := s.table.Load()
	r := c.Request()
	if page := t.page(r.URL.Path); page != nil {
		c.SetPath(r.URL.Path)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return notAllowed(c, "GET, HEAD")
		}
		return page(c)
	}
	segments, err := segmentsOf(r.URL)
	if err != nil {
		return err
	}
	end := t.root.find(segments)
	if end == nil {
		if len(t.missing) > 0 && strings.HasPrefix(r.URL.Path, publicPrefix) {
			return later("a part of the service is not there yet; try again shortly", nil)
		}
		return errs.New(errs.NotFound, errs.CodeNotFound, "there is nothing here")
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // the answer's body is left out by net/http
	}
	route, ok := end.methods[method]
	if !ok {
		return notAllowed(c, end.allow())
	}
	c.SetPath(route.template) // for metrics and logs
	if route.service == Name {
		s.fillParams(c, route, segments)
		return s.local[route.operation](c)
	}
	return s.proxy(c, route.service, method, join(segments), body)
}

// fillParams gives the gateway's own handlers their path parameters, as Echo would.
func (s *Service) fillParams(c echo.Context, r route, segments []string) {
	var names, values []string
	for i, t := range split(r.template) {
		if isParam(t) {
			names = append(names, strings.Trim(t, "{}"))
			values = append(values, segments[i])
		}
	}
	c.SetParamNames(names...)
	c.SetParamValues(values...)
	c.Request().URL.RawPath = "" // the values are decoded already
}

func notAllowed(c echo.Context, allow string) error {
	c.Response().Header().Set(echo.HeaderAllow, allow)
	return errs.New(errs.MethodNotAllowed, httpx.CodeMethodNotAllowed, "this method does not apply here; these do: "+allow)
}

// later is a 503 that says nothing was changed.
func later(message string, cause error) *errs.Error {
	e := errs.New(errs.Unavailable, errs.CodeUnavailable, message).Wrap(cause)
	e.RetryAfter = time.Second
	return e
}

// proxy hands the request to a service and its answer to the caller. The answer is read before a byte of it is passed
// on, so that one that breaks off is an error and not half an answer.
func (s *Service) proxy(c echo.Context, service, method, path string, body []byte) error {
	r := c.Request()
	unescaped, err := url.PathUnescape(path)
	if err != nil {
		return errs.InvalidField("path", "is not properly escaped")
	}
	// The transport is asked itself, since a proxy follows no redirects and keeps no cookies; it passes trace and request
	// id on from the context.
	out := (&http.Request{
		Method: method, Host: service, Header: make(http.Header, len(r.Header)+2), ContentLength: int64(len(body)),
		URL:  &url.URL{Scheme: "http", Host: service, Path: unescaped, RawPath: path, RawQuery: r.URL.RawQuery},
		Body: http.NoBody,
	}).WithContext(r.Context())
	if len(body) > 0 {
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		out.Body, _ = out.GetBody()
	}
	copyHeader(out.Header, r.Header, notForwarded)
	resp, err := s.transport.RoundTrip(out)
	if err != nil {
		return unreachable(method, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := readAll(resp.Body, resp.ContentLength, s.cfg.MaxAnswerBytes+1, s.cfg.MaxAnswerBytes)
	if err != nil {
		return unreachable(method, err)
	}
	if int64(len(answer)) > s.cfg.MaxAnswerBytes {
		return errs.From(errors.New("the answer of " + service + " is over its bound"))
	}
	if resp.StatusCode >= http.StatusBadRequest && !isOurs(resp) {
		// Something between us and the service answered. What it says is about our inside.
		return unreachable(method, errors.New(service+": answer "+strconv.Itoa(resp.StatusCode)+" is not a problem document"))
	}
	copyHeader(c.Response().Header(), resp.Header, notPassedBack)
	if len(answer) == 0 {
		return c.NoContent(resp.StatusCode)
	}
	return c.Blob(resp.StatusCode, resp.Header.Get(echo.HeaderContentType), answer)
}

func bodyError(err error, maxBytes int64) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		e := errs.Newf(errs.TooLarge, httpx.CodeBodyTooLarge, "the body is over %d bytes", maxBytes)
		e.Fields = []errs.Field{{Field: "body", Message: e.Message}}
		return e
	}
	return errs.InvalidField("body", "ended before its announced length, or came too slowly")
}

// unreachable words a failure between us and a service: where the request may have changed something, the outcome
// is unknown.
func unreachable(method string, err error) error {
	if method == http.MethodGet || errors.Is(err, httpx.ErrNotSent) {
		return later("a part of the service cannot be reached; nothing was changed; try again shortly", err)
	}
	return errs.OutcomeUnknown(err)
}

// isOurs tells whether a failure was worded by one of our services.
func isOurs(resp *http.Response) bool {
	return resp.StatusCode < http.StatusBadRequest || httpx.IsProblem(resp)
}

// requestAtOnce is for how many bytes of a request's body memory is taken before the first has come. Announcing costs a
// stranger nothing; nearly all orders are shorter.
const requestAtOnce = 4 << 10

// readAll reads what r has, up to maxBytes. announced is its length as far as that is known, else below 0: up to atOnce,
// memory is taken for it at once, which saves copying; for more, as it comes.
func readAll(r io.Reader, announced, maxBytes, atOnce int64) ([]byte, error) {
	if announced < 0 || announced > min(atOnce, maxBytes) {
		return io.ReadAll(io.LimitReader(r, maxBytes))
	}
	b := make([]byte, announced)
	_, err := io.ReadFull(r, b)
	return b, err
}
