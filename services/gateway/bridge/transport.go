package bridge

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// maxRequestBytes bounds the body of a request; the gateway's own bound is below it.
const maxRequestBytes = 1 << 20

// Transport answers requests in JSON by calling the methods of a service that speaks gRPC. It is an http.RoundTripper, so it
// stands behind the gateway where the host's own transport does. Safe for concurrent use.
type Transport struct {
	conn     func(app string) grpc.ClientConnInterface
	bindings []*Binding
}

var _ http.RoundTripper = (*Transport)(nil)

// NewTransport makes a transport of the methods that bindings bind. conn gives the connection to an app, a release of the service:
// whoever made it closes it; its credentials and bounds are its own.
func NewTransport(conn func(app string) grpc.ClientConnInterface, bindings []*Binding) *Transport {
	return &Transport{conn: conn, bindings: bindings}
}

// RoundTrip makes the call that r is, to the app that its Host names, until the end of its context, and passes trace and request id on
// from there. A refusal of the service is an answer with a problem document; an error is one
// between here and there, with httpx.ErrNotSent in its chain when it is certain that the service never saw the call.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
	}
	b, params := t.find(r.Method, r.URL)
	if b == nil {
		return problem(r, errs.New(errs.NotFound, errs.CodeNotFound, "there is nothing here"), nil), nil
	}
	in := b.input.New()
	if err := b.fill(in, params, r); err != nil {
		return problem(r, errs.From(err), nil), nil
	}
	md := metadataOf(r.Header)
	if r.Header.Get(idempotencyKey) != "" && md.Get(idempotencyKey) == nil {
		return problem(r, errs.InvalidField(idempotencyKey, "must be printable ASCII characters"), nil), nil // without it a repeat would be a second one
	}
	own := http.Header{}
	httpx.Propagate(r.Context(), own)
	for name, values := range own {
		md.Set(name, values...)
	}
	ctx := metadata.NewOutgoingContext(r.Context(), md)
	out := b.output.New()
	var header metadata.MD
	if err := t.conn(cmp.Or(r.Host, r.URL.Host)).Invoke(ctx, b.FullMethod(), in.Interface(), out.Interface(), grpc.Header(&header)); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return problem(r, errorOf(err, r.Method != http.MethodGet), header), nil
	}
	body, err := b.out.appendMessage(nil, out, nil)
	if err != nil {
		return nil, errors.New("bridge: " + b.FullMethod() + ": the answer has no JSON: " + err.Error())
	}
	h := headerOf(header)
	h.Set("Content-Type", "application/json")
	return response(r, successOf(header), h, body), nil
}

// find gives the binding of a request and the values of its path's fields.
func (t *Transport) find(method string, u *url.URL) (*Binding, map[string]string) {
	segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for _, b := range t.bindings {
		if b.Verb == method && len(b.segments) == len(segments) {
			if params, ok := b.match(segments); ok {
				return b, params
			}
		}
	}
	return nil, nil
}

func (b *Binding) match(segments []string) (map[string]string, bool) {
	var params map[string]string
	for i, s := range b.segments {
		text, err := url.PathUnescape(segments[i])
		switch {
		case err != nil || text == "" || s.field == nil && text != s.literal:
			return nil, false
		case s.field != nil:
			if params == nil {
				params = map[string]string{}
			}
			params[s.field.name] = text
		}
	}
	return params, true
}

// fill reads a request into the message that its method takes.
func (b *Binding) fill(in protoreflect.Message, params map[string]string, r *http.Request) error {
	if b.hasBody {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBytes+1))
		if err != nil {
			return errs.InvalidField("body", "ended before its announced length")
		}
		if len(body) > maxRequestBytes {
			return errs.Newf(errs.TooLarge, httpx.CodeBodyTooLarge, "the body is over %d bytes", maxRequestBytes)
		}
		if err := b.in.decode(body, in, true); err != nil {
			return invalid("body", err)
		}
	}
	for name, text := range params {
		if err := set(in, b.in.byName[name], text); err != nil {
			return invalid(name, err)
		}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return errs.InvalidField("query", "is not properly escaped")
	}
	for name, values := range query {
		f := b.in.byName[name]
		if f == nil || b.inPath[name] || b.hasBody || len(values) > 1 && !f.list {
			return errs.InvalidField(name, "is no parameter, or is there twice")
		}
		for _, text := range values {
			if err := set(in, f, text); err != nil {
				return invalid(name, err)
			}
		}
	}
	return nil
}

// invalid names the field of a decoding error, which begins with a pointer where it is inside of a body.
func invalid(where string, err error) error {
	if pointer, message, found := strings.Cut(err.Error(), ": "); found && strings.HasPrefix(pointer, "/") {
		return errs.InvalidField(pointer, "%s", message)
	}
	return errs.InvalidField(where, "%s", err.Error())
}

// set gives a field a value from a path or a query.
func set(m protoreflect.Message, f *field, text string) error {
	if f.list {
		list := m.Mutable(f.descriptor).List()
		v, err := f.parse(text, list.NewElement)
		if err == nil {
			list.Append(v)
		}
		return err
	}
	v, err := f.parse(text, func() protoreflect.Value { return m.NewField(f.descriptor) })
	if err == nil {
		m.Set(f.descriptor, v)
	}
	return err
}

// idempotencyKey is the header by which a service knows a repeat.
const idempotencyKey = "Idempotency-Key"

// metadataOf makes a call's metadata of a request's headers, without those that gRPC cannot carry: it fails a whole call for one such,
// and anybody can send one, or have a proxy that adds the name of a city.
func metadataOf(h http.Header) metadata.MD {
	md := make(metadata.MD, len(h))
	for name, values := range h {
		key := strings.ToLower(name)
		if !notHeaders[key] && key != "user-agent" && !strings.HasPrefix(key, "grpc-") && !strings.HasSuffix(key, "-bin") && carried(key, values) {
			md[key] = values
		}
	}
	return md
}

// carried tells whether gRPC takes this as metadata: names of a-z 0-9 - _ . and values of printable ASCII (its PROTOCOL-HTTP2.md,
// Custom-Metadata).
func carried(key string, values []string) bool {
	return !strings.ContainsFunc(key, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	}) && !slices.ContainsFunc(values, func(v string) bool {
		return strings.ContainsFunc(v, func(c rune) bool { return c < ' ' || c > '~' })
	})
}

// headerOf makes headers of a call's metadata.
func headerOf(md metadata.MD) http.Header {
	h := http.Header{}
	copyMetadata(h, md)
	delete(h, http.CanonicalHeaderKey(codeWire))
	return h
}

// successOf is the status of a success: 200, or what the service says in its header x-http-code.
func successOf(md metadata.MD) int {
	if said := md.Get(codeWire); len(said) == 1 {
		if code, err := strconv.Atoi(said[0]); err == nil && code >= 200 && code < 300 {
			return code
		}
	}
	return http.StatusOK
}

// problem is an answer with the problem document of e.
func problem(r *http.Request, e *errs.Error, md metadata.MD) *http.Response {
	w := &recorder{header: headerOf(md)}
	httpx.WriteProblem(w, r, e)
	return response(r, w.code, w.header, w.body.Bytes())
}

func response(r *http.Request, code int, h http.Header, body []byte) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(code) + " " + http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}
