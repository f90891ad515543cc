package gateway

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/gateway/compress"
	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/gateway/rules"
	"github.com/sidecart/sidecart/services/gateway/screen"
	"github.com/sidecart/sidecart/services/gateway/terminal"
	"github.com/sidecart/sidecart/services/kit/fault"
)

// presentation is how answers leave: mapped for the caller's terminal and compressed; and the screens, which are made of several.
// It is safe for concurrent use.
type presentation struct {
	log        *slog.Logger
	terminals  *terminal.Metrics
	screens    *screen.Metrics
	codings    *compress.Metrics
	compressor atomic.Pointer[compress.Compressor]
	joined     atomic.Pointer[joined]

	mu   sync.Mutex
	file *rules.File
	set  *contracts.Set // that the rules are joined with; nil before the first
}

// joined is what follows from the rules and the contracts together.
type joined struct {
	mapper  *terminal.Mapper
	screens *screen.Set
}

func newPresentation(metrics prometheus.Registerer, log *slog.Logger) *presentation {
	if metrics == nil {
		metrics = prometheus.NewRegistry()
	}
	p := &presentation{log: log, terminals: terminal.NewMetrics(metrics), screens: screen.NewMetrics(metrics), codings: compress.NewMetrics(metrics), file: &rules.File{}}
	p.joined.Store(&joined{})
	return p
}

// check finds what in the rules does not fit the contracts that are known.
func (p *presentation) check(f *rules.File, set *contracts.Set) []fault.Fault {
	complete := len(set.Missing) == 0
	var bad []fault.Fault
	_, faults := terminal.New(f.Terminals, answersOf(set), complete, nil)
	for _, found := range faults {
		bad = append(bad, fault.Fault{Place: "/terminals" + found.Place, Message: found.Message})
	}
	_, faults = screen.New(f.Screens, operationsOf(set), complete, nil, nil)
	for _, found := range faults {
		bad = append(bad, fault.Fault{Place: "/screens" + found.Place, Message: found.Message})
	}
	return bad
}

// use makes other rules hold. With anew the screens are others, or the contracts will be, so that the book has to ask: see extra.
func (p *presentation) use(f *rules.File, otherContracts bool) (anew bool) {
	p.compressor.Store(compress.New(f.Compression, p.codings))
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.file
	p.file = f
	if p.set == nil || otherContracts || !reflect.DeepEqual(was.Screens, f.Screens) {
		return true
	}
	p.join()
	return false
}

// extra is a contracts.Extra: the book gives it the contracts whenever they have changed. Rules were good when they were read; what
// a later contract has no more is passed over and told.
func (p *presentation) extra(set *contracts.Set) ([]*contracts.Operation, func(map[string]any)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set = set
	for _, found := range p.join() {
		p.log.Error("a rule does not fit the contracts any more and is passed over", "rule", found.Error())
	}
	screens := p.joined.Load().screens
	var operations []*contracts.Operation
	for _, e := range screens.Endpoints() {
		operations = append(operations, contracts.NewOperation(Name, http.MethodGet, e.Template, screen.OperationID(e.Screen), e.Roles))
	}
	return operations, screens.Describe
}

// join joins the rules with the contracts; p.mu is held.
func (p *presentation) join() []fault.Fault {
	complete := len(p.set.Missing) == 0
	mapper, first := terminal.New(p.file.Terminals, answersOf(p.set), complete, p.terminals)
	screens, second := screen.New(p.file.Screens, operationsOf(p.set), complete, p.screens, p.log)
	p.joined.Store(&joined{mapper, screens})
	return append(first, second...)
}

func answersOf(set *contracts.Set) terminal.Answers {
	return func(id string) ([]*openapi3.Schema, bool) {
		op := set.Operation(id)
		if op == nil {
			return nil, false
		}
		return op.Successes(), true
	}
}

func operationsOf(set *contracts.Set) screen.Operations {
	return func(id string) (screen.Operation, bool) {
		op := set.Operation(id)
		if op == nil || op.Service == Name { // a part is what a service answers
			return screen.Operation{}, false
		}
		return screen.Operation{ID: op.ID, Method: op.Method, Template: op.Template, Roles: op.Roles, Parameters: op.Parameters()}, true
	}
}

// write tells the caller the answer.
func (s *Service) write(x *exchange) error {
	a, h, asked := &x.answer, x.c.Response().Header(), x.c.Request().Header
	contentType := a.header.Get(echo.HeaderContentType)
	copyHeader(h, a.header, notPassedBack)
	if len(a.body) == 0 {
		return x.c.NoContent(a.status)
	}
	h.Set(echo.HeaderContentType, contentType) // by which is seen what may be done with the body
	body := s.present.joined.Load().mapper.Map(h, a.status, asked.Get(terminal.Header), x.op.ID, a.body)
	body = s.present.compressor.Load().Encode(h, a.status, asked.Get(echo.HeaderAcceptEncoding), body)
	return x.c.Blob(a.status, contentType, body)
}

// showScreen answers with a screen.
func (s *Service) showScreen(x *exchange) error {
	present, name := s.present.joined.Load(), ""
	for _, e := range present.screens.Endpoints() {
		if e.Template == x.op.Template {
			name = e.Screen
		}
	}
	params := map[string]string{}
	for i, segment := range x.op.Segments {
		if strings.HasPrefix(segment, "{") {
			params[strings.Trim(segment, "{}")] = x.segments[i]
		}
	}
	r, header := x.c.Request(), http.Header{}
	body, err := present.screens.Serve(r.Context(), header, name, params, r.URL.Query(), s.askFor(x, present.mapper))
	if err != nil {
		return err
	}
	x.answer = answer{http.StatusOK, header, body}
	return s.write(x)
}

// askFor gives what the parts of a screen are asked with. A part can begin when its screen has been given up already, and Echo has
// given whole.c to the next request: so what parts need of it is taken before.
func (s *Service) askFor(whole *exchange, mapper *terminal.Mapper) screen.Ask {
	asked, newContext := whole.c.Request(), whole.c.Echo().NewContext
	return func(ctx context.Context, operation string, u *url.URL) (*http.Response, []byte, error) {
		r := asked.WithContext(ctx)
		r.URL, r.Header = u, maps.Clone(r.Header)
		for _, name := range ofTheWhole {
			delete(r.Header, name)
		}
		return s.askPart(whole, newContext(r, nowhere{}), mapper, operation)
	}
}

// askPart has one operation answered for a screen, in the name of whoever asked for that: through the stages that every request of
// its own would go through once it is known who asks. Nothing of whole is looked at that belongs to its Echo context.
func (s *Service) askPart(whole *exchange, c echo.Context, mapper *terminal.Mapper, operation string) (*http.Response, []byte, error) {
	op := whole.set.Operation(operation)
	if op == nil || op.Service == Name {
		return nil, nil, errors.New("gateway: a screen has the part " + operation + ", which no service answers")
	}
	segments, err := contracts.Segments(c.Request().URL)
	if err != nil {
		return nil, nil, err
	}
	part := &exchange{c: c, set: whole.set, op: op, segments: segments, caller: whole.caller, unknown: whole.unknown, part: true}
	for _, stage := range s.before {
		if stage.parts {
			if err := stage.do(part); err != nil {
				return nil, nil, err
			}
		}
	}
	defer s.within(part)()
	if err := s.ask(part); err != nil {
		return nil, nil, err
	}
	a, h := part.answer, http.Header{}
	for _, name := range []string{echo.HeaderContentType, echo.HeaderVary, echo.HeaderCacheControl} {
		if values := a.header[name]; values != nil {
			h[name] = values[:len(values):len(values)] // adding to it leaves the answer's alone
		}
	}
	body := mapper.Map(h, a.status, c.Request().Header.Get(terminal.Header), op.ID, a.body)
	return &http.Response{StatusCode: a.status, Header: h}, body, nil
}

// ofTheWhole are headers of a request for a screen that say nothing of its parts.
var ofTheWhole = []string{"If-None-Match", "If-Modified-Since", "Range", "If-Range", "If-Match", "Idempotency-Key"}

// nowhere is the ResponseWriter of a part, whose answer is read from its exchange.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}
