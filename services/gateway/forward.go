package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// later is a 503 that says nothing was changed.
func later(message string, cause error) *errs.Error {
	e := errs.New(errs.Unavailable, errs.CodeUnavailable, message).Wrap(cause)
	e.RetryAfter = time.Second
	return e
}

// forward asks the chosen release of the service for the answer. It is read before a byte of it is passed on, so that one
// that breaks off is an error and not half an answer.
func (s *Service) forward(x *exchange) error {
	r := x.c.Request()
	path := contracts.Join(x.segments)
	unescaped, err := url.PathUnescape(path)
	if err != nil {
		return errs.InvalidField("path", "is not properly escaped")
	}
	service, method := x.op.Service, x.op.Method
	// The transport is asked itself, since a proxy follows no redirects and keeps no cookies; it passes trace and request
	// id on from the context.
	out := (&http.Request{
		Method: method, Host: x.target.App, Header: make(http.Header, len(r.Header)+2), ContentLength: int64(len(x.body)),
		URL:  &url.URL{Scheme: "http", Host: service, Path: unescaped, RawPath: path, RawQuery: r.URL.RawQuery},
		Body: http.NoBody,
	}).WithContext(r.Context())
	if len(x.body) > 0 {
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.body)), nil }
		out.Body, _ = out.GetBody()
	}
	copyHeader(out.Header, r.Header, notForwarded)
	x.caller.Put(out.Header)
	if !x.part { // which are many to a request
		httpx.AnsweredBy(r.Context(), out.Host)
	}
	way := s.transport
	if x.op.Via != nil {
		way = x.op.Via
	}
	resp, err := way.RoundTrip(out)
	if err != nil {
		return unreachable(method, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readAll(resp.Body, resp.ContentLength, s.cfg.MaxAnswerBytes+1, s.cfg.MaxAnswerBytes)
	if err != nil {
		return unreachable(method, err)
	}
	if int64(len(body)) > s.cfg.MaxAnswerBytes {
		return errs.From(errors.New("the answer of " + service + " is over its bound"))
	}
	if resp.StatusCode >= http.StatusBadRequest && !httpx.IsProblem(resp) {
		// Something between us and the service answered. What it says is about our inside.
		return unreachable(method, errors.New(service+": answer "+strconv.Itoa(resp.StatusCode)+" is not a problem document"))
	}
	x.answer = answer{resp.StatusCode, resp.Header, body}
	return nil
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

// requestAtOnce is for how many bytes of a request's body memory is taken before the first has come. Announcing costs a
// stranger nothing; nearly all orders are shorter.
const requestAtOnce = 4 << 10

// readAll reads what r has, up to maxBytes. announced is its length as far as that is known, else below 0: up to atOnce,
// memory is taken for it at once, which saves copying; for more, as it comes. The answer of a service in this process is there
// already, and is not read again.
func readAll(r io.Reader, announced, maxBytes, atOnce int64) ([]byte, error) {
	if whole, ok := r.(interface{ Bytes() []byte }); ok {
		b := whole.Bytes()
		return b[:min(int64(len(b)), maxBytes)], nil
	}
	if announced < 0 || announced > min(atOnce, maxBytes) {
		return io.ReadAll(io.LimitReader(r, maxBytes))
	}
	b := make([]byte, announced)
	_, err := io.ReadFull(r, b)
	return b, err
}
