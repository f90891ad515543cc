package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sidecart/sidecart/e2e/token"
)

// maxAnswerBytes bounds an answer that the client reads.
const maxAnswerBytes = 8 << 20

// Client talks to one gateway as one caller. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
	keys *token.Keys   // nil: it cannot be somebody else
	as   *token.Caller // nil: nobody, who has no token
}

// New makes a Client of the gateway at base ("http://127.0.0.1:8080"); within bounds one request.
func New(base string, within time.Duration) *Client {
	return &Client{base: base, http: &http.Client{
		Timeout: within,
		Transport: &http.Transport{
			MaxIdleConns:        2048,
			MaxIdleConnsPerHost: 2048,
			IdleConnTimeout:     30 * time.Second,
		},
	}}
}

// With is the same client, over the same connections, as an operator of a shop with that key set; customers come by For. With nil
// it is as it was.
func (c *Client) With(keys *token.Keys) *Client {
	with := *c
	if keys == nil {
		return &with
	}
	with.keys, with.as = keys, keys.Caller("e2e-operator", token.Operator)
	return &with
}

// For is the same client as a customer of the shop. Where there is no key set, as at a release from before there were accounts, it
// is who it was.
func (c *Client) For(customer string) *Client {
	if c.keys == nil {
		return c
	}
	return c.As(c.keys.Caller(customer, token.Customer))
}

// As is the same client as anybody; nil is nobody, who has no token.
func (c *Client) As(caller *token.Caller) *Client {
	as := *c
	as.as = caller
	return &as
}

// Token is the token of who it is; empty for nobody.
func (c *Client) Token() string {
	if c.as == nil {
		return ""
	}
	return c.as.Token()
}

// Keys is what With was given; nil without it.
func (c *Client) Keys() *token.Keys { return c.keys }

// Through sends everything through what wrap makes of the transport, for a test that counts. Call it before the first request.
func (c *Client) Through(wrap func(http.RoundTripper) http.RoundTripper) {
	c.http.Transport = wrap(c.http.Transport)
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Answer is what the gateway said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Into decodes the body.
func (a Answer) Into(v any) error {
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("answer %d %q: %w", a.Status, a.Body, err)
	}
	return nil
}

// Problem is an error document (RFC 9457).
type Problem struct {
	Type       string `json:"type"`
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail"`
	Code       string `json:"code"`
	TraceID    string `json:"trace_id"`
	RetryAfter string `json:"-"`
	Errors     []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
	SKUs []struct {
		SKU       string `json:"sku"`
		Requested int64  `json:"requested"`
		Available int64  `json:"available"`
	} `json:"skus"`
}

// Error makes a Problem an error.
func (p *Problem) Error() string {
	return fmt.Sprintf("%d %s: %s (trace %s)", p.Status, p.Code, p.Detail, p.TraceID)
}

// Definite tells whether the answer says that nothing was changed. Anything else, a transport error included,
// leaves the outcome unknown and is safe to repeat.
func (p *Problem) Definite() bool { return p.Status >= 400 && p.Status < 500 }

// Do sends one request. body may be nil, a []byte (sent as it is) or a value (sent as JSON). The error is about
// the transport; an answer of any status is no error.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body any) (Answer, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return Answer{}, err
		}
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return Answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token := c.Token(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for name, values := range header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return Answer{}, err
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: data}, nil
}

// call sends one request and decodes a success into out (unless nil); a failure answer becomes a *Problem.
func (c *Client) call(ctx context.Context, method, path string, header http.Header, body, out any) (int, error) {
	a, err := c.Do(ctx, method, path, header, body)
	if err != nil {
		return 0, err
	}
	if a.Status >= http.StatusBadRequest {
		p := &Problem{RetryAfter: a.Header.Get("Retry-After")}
		if err := a.Into(p); err != nil {
			return a.Status, err
		}
		p.Status = a.Status
		return a.Status, p
	}
	if out == nil {
		return a.Status, nil
	}
	return a.Status, a.Into(out)
}

// path joins escaped segments.
func path(segments ...string) string {
	var b bytes.Buffer
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}
