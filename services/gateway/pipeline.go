package gateway

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/gateway/gray"
	"github.com/sidecart/sidecart/services/gateway/overload"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// exchange is one request on its way through the pipeline, and what the stages have found out about it.
type exchange struct {
	c        echo.Context
	set      *contracts.Set       // of the request, whatever comes into use meanwhile
	op       *contracts.Operation // that is asked for
	segments []string             // of the path, decoded
	body     []byte
	caller   identity.Caller // see authenticate
	priority overload.Priority
	unknown  error       // why the token that came with the request says nothing
	target   gray.Choice // the release that is asked
	part     bool        // of a screen: asked for by a goroutine beside others of the same request
	answer   answer
}

// answer is what the caller will be told, unless a stage returns an error.
type answer struct {
	status int
	header http.Header // the service's own; what is not passed back is still in it
	body   []byte
}

// stage looks at a request before it is answered. An error is the answer.
type stage struct {
	name  string
	do    func(*exchange) error
	parts bool // each part of a screen goes through it, too
}

// stages are what every request goes through, in this order; httpx has made its trace, request id and deadline before.
// The cheap ones that refuse come first, so that what is refused costs little.
func (s *Service) stages() []stage {
	return []stage{
		{"match", s.match, false},               // which operation of which contract is it?
		{"host", s.ownName, false},              // no name of somebody else's leads here
		{"origin", s.sameOrigin, false},         // no page of another site changes anything here
		{"room", s.room, true},                  // what would be refused below costs nothing more
		{"body", s.readBody, false},             // all of it, so that a slow sender holds no place below
		{"authenticate", s.authenticate, false}, // who asks?
		{"allow", s.allow, true},                // do they ask for too much?
		{"authorize", s.authorize, true},        // may they?
		{"validate", s.validate, true},          // is it as the contract says?
	}
}

// serve takes a request through the pipeline: the gateway's own pages aside, its stages, a place among those that are
// answered at the same time, and the answer.
func (s *Service) serve(c echo.Context) error {
	x := &exchange{c: c, set: s.book.Set()}
	if found, err := page(c, x.set); found {
		return err
	}
	for i := range s.before {
		if err := s.before[i].do(x); err != nil {
			return err
		}
	}
	defer s.within(x)()
	if x.op.Service == Name {
		ticket, err := s.protect.guard.Admit(Name, x.priority)
		if err != nil {
			return err
		}
		defer ticket.Done(overload.Answered)
		local := s.local[x.op.ID]
		if local == nil {
			return s.showScreen(x)
		}
		s.fillParams(x)
		return local(c)
	}
	if err := s.ask(x); err != nil {
		return err
	}
	return s.write(x)
}

// match finds the operation. Paths, methods and what is not there yet are told apart.
func (s *Service) match(x *exchange) error {
	r := x.c.Request()
	segments, err := contracts.Segments(r.URL)
	if err != nil {
		return err
	}
	end := x.set.Find(segments)
	if end == nil {
		if len(x.set.Missing) > 0 && strings.HasPrefix(r.URL.Path, contracts.PublicPrefix) {
			return later("a part of the service is not there yet; try again shortly", nil)
		}
		return errs.New(errs.NotFound, errs.CodeNotFound, "there is nothing here")
	}
	x.op, x.segments = end.Operation(r.Method), segments
	if x.op == nil {
		return notAllowed(x.c, end.Allow())
	}
	x.c.SetPath(x.op.Template) // for metrics and logs
	return nil
}

// sameOrigin refuses a change that a page of another site makes a browser send, which would otherwise order, cancel and
// discard in the name of whoever looks at that page.
func (s *Service) sameOrigin(x *exchange) error {
	if err := s.crossOrigin.Check(x.c.Request()); err != nil {
		return errs.New(errs.Forbidden, codeCrossOrigin, "a page of another site must not change anything here").Wrap(err)
	}
	return nil
}

// within gives the request what the rules allow its operation in time, if that is less than it has, until the function that it
// gives is called. Whoever is asked for the answer has no longer than that.
func (s *Service) within(x *exchange) (done func()) {
	budget := s.file.Load().Routes[x.op.ID].Budget
	if budget == 0 {
		return func() {}
	}
	r := x.c.Request()
	ctx, cancel := context.WithTimeout(r.Context(), budget)
	x.c.SetRequest(r.WithContext(ctx))
	return cancel
}

// readBody reads the body whole. A slow sender takes nobody's place and holds only its own connection and memory for what
// has come of its body (requestAtOnce at the least), until the server's read deadline.
func (s *Service) readBody(x *exchange) (err error) {
	r := x.c.Request()
	if x.body, err = readAll(r.Body, r.ContentLength, s.cfg.MaxBodyBytes+1, requestAtOnce); err != nil {
		return bodyError(err, s.cfg.MaxBodyBytes)
	}
	return nil
}

// fillParams gives the gateway's own handlers their path parameters and the body, as Echo would.
func (s *Service) fillParams(x *exchange) {
	var names, values []string
	for i, t := range x.op.Segments {
		if strings.HasPrefix(t, "{") {
			names = append(names, strings.Trim(t, "{}"))
			values = append(values, x.segments[i])
		}
	}
	x.c.SetParamNames(names...)
	x.c.SetParamValues(values...)
	x.c.Request().URL.RawPath = "" // the values are decoded already
	x.c.Request().Body = io.NopCloser(bytes.NewReader(x.body))
}

func notAllowed(c echo.Context, allow string) error {
	c.Response().Header().Set(echo.HeaderAllow, allow)
	return errs.New(errs.MethodNotAllowed, httpx.CodeMethodNotAllowed, "this method does not apply here; these do: "+allow)
}
