package bench

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// The kinds of request.
const (
	Reservations = "reservations" // one unit of one SKU, straight at inventory or a peer
	Orders       = "orders"       // one line of one unit, through the gateway
	Passages     = "passages"     // orders of 250 bytes through a door, answered by 600
	Sales        = "sales"        // such an order, its payment, and the wait until the customer is told that it is paid
)

// holdSeconds outlasts every run: no unit comes back by itself.
const holdSeconds = 86_400

// Target says what to send where.
type Target struct {
	Kind   string            `json:"kind"`
	Bases  []string          `json:"bases"` // http://127.0.0.1:port, for reservations with the path of the service; clients are spread over them
	Header map[string]string `json:"header"`
	Tokens []string          `json:"tokens"` // of customers, who order in turn; none where nobody is asked who they are, and orders say it
	SKUs   []string          `json:"skus"`   // at least one; requests go round them
	Prefix string            `json:"prefix"` // of ids, different in every load
	Within time.Duration     `json:"within"` // for one request, or a whole sale
	Texts  string            `json:"texts"`  // of sales: base URL of the sandbox, which has the text messages
}

// shots makes the Shooter of a target. Every client keeps its connection and its request, of which only the id changes.
//
// The client is fasthttp's because the load shares the cores with what it measures: a request costs it about 10 µs of CPU time, 22 µs less
// than with net/http's client (BenchmarkClients, 2026-11-20).
func shots(t Target, clients int) (Shooter, func(), error) {
	hosts := make([]*fasthttp.HostClient, len(t.Bases))
	for i, base := range t.Bases {
		var uri fasthttp.URI
		if err := uri.Parse(nil, []byte(base)); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", base, err)
		}
		hosts[i] = &fasthttp.HostClient{
			Addr: string(uri.Host()), MaxConns: clients, MaxIdleConnDuration: time.Minute,
			// A request that was lost must be counted as such and not sent again.
			MaxIdemponentCallAttempts: 1, NoDefaultUserAgentHeader: true,
		}
	}
	closeAll := func() {
		for _, h := range hosts {
			h.CloseIdleConnections()
		}
	}
	if t.Kind == Sales {
		return t.buyers(hosts, clients, closeAll)
	}
	shooters := make([]*shooter, clients)
	for i := range shooters {
		at := i % len(hosts)
		s := &shooter{host: hosts[at], within: t.Within, prefix: t.Prefix, order: t.Kind != Reservations, passes: t.Kind == Passages, bearers: t.bearers()}
		s.request.Header.SetMethod(http.MethodPost)
		s.request.Header.SetContentType("application/json")
		for name, value := range t.Header {
			s.request.Header.Set(name, value)
		}
		s.paths, s.tails = t.render(t.Bases[at])
		s.request.SetRequestURI(s.paths[0])
		shooters[i] = s
	}
	return func(client int, n int64) Outcome { return shooters[client].shoot(n) }, closeAll, nil
}

// render makes what does not change of the requests for each SKU: the URL, and the body after the id.
func (t Target) render(base string) (paths, tails []string) {
	for _, sku := range t.SKUs {
		path, tail := base+"/v1/inventory/"+sku+"/reservations", `","quantity":1,"hold_seconds":`+strconv.Itoa(holdSeconds)+`}`
		if t.Kind == Orders {
			path, tail = base+"/v1/orders", `","contact":{"email":"bench@example.com"},"lines":[{"sku":"`+sku+`","quantity":1}]}`
		}
		if t.Kind == Passages {
			path, tail = base+"/v1/orders", passage()
		}
		paths, tails = append(paths, path), append(tails, tail)
	}
	return paths, tails
}

// bearers are the tokens as values of the header Authorization.
func (t Target) bearers() []string {
	all := make([]string, len(t.Tokens))
	for i, token := range t.Tokens {
		all[i] = "Bearer " + token
	}
	return all
}

// shooter is one client.
type shooter struct {
	host     *fasthttp.HostClient
	request  fasthttp.Request
	response fasthttp.Response
	within   time.Duration
	prefix   string
	paths    []string // by SKU
	tails    []string // by SKU
	order    bool
	passes   bool
	bearers  []string // of the customers, by turns
	id, body []byte
}

// idDigits makes an id about as long as a UUID.
const idDigits = 12

func (s *shooter) shoot(n int64) Outcome {
	digits := strconv.FormatInt(n, 10)
	s.id = append(s.id[:0], s.prefix...)
	for range idDigits - len(digits) {
		s.id = append(s.id, '0')
	}
	s.id = append(s.id, digits...)
	sku := int(n % int64(len(s.paths)))
	if len(s.paths) > 1 && !s.order {
		s.request.SetRequestURI(s.paths[sku])
	}
	s.body = s.body[:0]
	if s.order {
		s.request.Header.SetBytesV("Idempotency-Key", s.id)
		if len(s.bearers) > 0 {
			s.request.Header.Set("Authorization", s.bearers[n%int64(len(s.bearers))])
			s.body = append(append(s.body, '{'), s.tails[sku][len(`",`):]...)
		} else {
			s.body = append(append(append(s.body, `{"customer":"`...), s.id...), s.tails[sku]...)
		}
	} else {
		s.body = append(append(append(s.body, `{"id":"`...), s.id...), s.tails[sku]...)
	}
	s.request.SetBodyRaw(s.body)
	if err := s.host.DoDeadline(&s.request, &s.response, time.Now().Add(s.within)); err != nil {
		return Unknown
	}
	o := outcomeOf(s.response.StatusCode(), s.response.Body())
	if o == Accepted && s.passes && !ownAnswer(s.response.Body(), s.id) {
		return Wrong
	}
	return o
}

// outcomeOf reads an answer. What a peer says with 500 leaves open what happened.
func outcomeOf(status int, body []byte) Outcome {
	has := func(code string) bool { return bytes.Contains(body, []byte(`"code":"`+code+`"`)) }
	switch {
	case status == http.StatusCreated:
		return Accepted
	case status == http.StatusConflict && has("sold_out"):
		return SoldOut
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && (has("overloaded") || has("unavailable")):
		return Shed
	case status >= http.StatusInternalServerError:
		return Unknown
	}
	return Wrong
}
