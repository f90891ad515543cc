package gateway

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/gateway/contracts"
	"github.com/sidecart/sidecart/services/gateway/fallback"
	"github.com/sidecart/sidecart/services/gateway/overload"
	"github.com/sidecart/sidecart/services/gateway/rules"
	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/fault"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// protection keeps a crowd from the services, and failing services from the crowd. It is safe for concurrent use.
type protection struct {
	guard     *overload.Guard
	fallbacks *fallback.Fallbacks
	routes    atomic.Pointer[map[string]overload.Route] // by operationId
}

func newProtection(cfg Config, deps host.Deps, ready func() error) (*protection, error) {
	p := &protection{}
	p.routes.Store(&map[string]overload.Route{})
	var first, second error
	p.guard, first = overload.New(overload.Config{}, overload.Deps{Services: cfg.Services, Now: deps.Now, Ready: ready, Metrics: deps.Metrics})
	p.fallbacks, second = fallback.New(fallback.Deps{Now: deps.Now, Log: deps.Log, Metrics: deps.Metrics})
	return p, errors.Join(first, second)
}

// use makes other rules hold; they have been checked. What was learned stays.
func (p *protection) use(f *rules.File) {
	p.guard.Use(f.Limits)
	limits, fallbacks := make(map[string]overload.Route, len(f.Routes)), make(map[string]fallback.Route, len(f.Routes))
	for id, r := range f.Routes {
		limits[id], fallbacks[id] = r.Route, fallback.Route{Fallback: r.Fallback, Breaker: r.Breaker}
	}
	p.routes.Store(&limits)
	p.fallbacks.Use(fallbacks)
}

// rule is what the rules say of the request's operation, and how urgent it is.
func (p *protection) rule(x *exchange) (overload.Route, overload.Priority) {
	r := (*p.routes.Load())[x.op.ID]
	if r.Priority != "" {
		if priority, err := overload.ParsePriority(r.Priority); err == nil {
			return r, priority
		}
	}
	return r, overload.DefaultPriority(x.op.Method, x.op.Template)
}

// room refuses what there would be no place for, before anything is done for it. What can be told something in the service's place
// goes on.
func (s *Service) room(x *exchange) error {
	_, x.priority = s.protect.rule(x)
	if s.protect.fallbacks.Has(x.op.ID) {
		return nil
	}
	return s.protect.guard.Room(x.c.Request().Context(), x.op.Service, x.priority)
}

// allow takes from the client's token buckets: the caller's, or the address's where nobody has said who asks.
func (s *Service) allow(x *exchange) error {
	guard := s.protect.guard
	r, priority := s.protect.rule(x)
	client := guard.BySubject(x.caller.Tenant, x.caller.Subject)
	if x.caller.Subject == "" {
		client = guard.ByAddress(guard.Address(x.c.Request()))
	}
	return guard.Allow(client, x.op.ID, r, priority, x.c.Response().Header())
}

// ask has the service answer, or answers in its place where that fails and the rules say with what.
func (s *Service) ask(x *exchange) error {
	err := s.attempt(x)
	if err == nil && x.answer.status < http.StatusInternalServerError {
		s.keep(x)
		return nil
	}
	// A service that was too slow has failed as well; only who does not wait any more needs no answer.
	if x.op.Method != http.MethodGet || httpx.GaveUp(x.c.Request().Context()) {
		return err
	}
	a, ok := s.protect.fallbacks.Instead(x.kept())
	if !ok {
		return err
	}
	if wrong := fits(x.op, a.Body); wrong != nil { // the contract has changed since
		s.log.ErrorContext(x.c.Request().Context(), "a fallback is not what the contract says and was not given", "operation", x.op.ID, "kind", a.Kind, "error", wrong)
		return err
	}
	a.Mark(x.c.Response().Header()) // which a service of ours could not set
	x.answer = answer{http.StatusOK, http.Header{echo.HeaderContentType: {a.ContentType}}, a.Body}
	return nil
}

// attempt asks the service, if there is a place and its circuit breaker is closed.
func (s *Service) attempt(x *exchange) error {
	ticket, err := s.protect.guard.Admit(x.op.Service, x.priority)
	if err != nil {
		return err
	}
	attempt, err := s.protect.fallbacks.Ask(x.op.ID)
	if err != nil {
		ticket.Done(overload.Abandoned)
		return err
	}
	began := time.Now()
	outcome := overload.Failed // of a panic, too
	defer func() {
		ticket.Done(outcome)
		attempt.Done(endOf(outcome, time.Since(began)))
	}()
	err = s.answerFrom(x)
	outcome = outcomeOf(x.c.Request().Context(), x.answer, err)
	return err
}

// goneEarly is how long a client waits at least who can be said to have waited.
const goneEarly = time.Second

// endOf says what an attempt shows to a circuit breaker.
func endOf(outcome overload.Outcome, took time.Duration) fallback.End {
	switch {
	case outcome == overload.Answered || outcome == overload.Pushed:
		return fallback.Succeeded
	case outcome == overload.Abandoned && took < goneEarly:
		return fallback.Unjudged // who goes away after a moment has lost patience with himself, who does so later with the service
	}
	return fallback.Failed
}

// outcomeOf says what an attempt tells about the service.
func outcomeOf(ctx context.Context, a answer, err error) overload.Outcome {
	switch {
	case err != nil && httpx.GaveUp(ctx):
		return overload.Abandoned // by the client, who must not make a service look slow by being in a hurry
	case err != nil:
		return overload.Failed
	case a.status == http.StatusServiceUnavailable && bytes.Contains(a.body, fullCode):
		return overload.Pushed
	default:
		return overload.OutcomeOf(a.status)
	}
}

// fullCode is in the problem document of a service that has no room. Its members are written without spaces by everything of ours.
var fullCode = []byte(`"code":"` + errs.CodeOverloaded + `"`)

// checkFallbacks says where fixed answers do not fit the contracts of set: they must be of the shape of the service's own. What is in no contract yet
// is looked at when it is given.
func (s *Service) checkFallbacks(f *rules.File, set *contracts.Set) (all []fault.Fault) {
	for id, r := range f.Routes {
		op := set.Operation(id)
		if op == nil {
			continue
		}
		for _, wrong := range r.Fallback.CheckFor(op.Method, func(body []byte) error { return fits(op, body) }) {
			all = append(all, fault.Fault{Place: fault.At("routes", id, "fallback") + wrong.Place, Message: wrong.Message})
		}
	}
	return all
}

// fits says what the contract has against an answer with status 200.
func fits(op *contracts.Operation, body []byte) error {
	schema := op.Answer(http.StatusOK)
	if schema == nil || schema.Value == nil {
		return errors.New("the contract knows no answer with status 200 and a JSON document")
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return errors.New("it is not a JSON document")
	}
	return schema.Value.VisitJSON(value, openapi3.VisitAsResponse(), openapi3.DisableSchemaErrorDetails())
}

// keep remembers a good answer for bad times.
func (s *Service) keep(x *exchange) {
	if x.op.Method == http.MethodGet && x.answer.status == http.StatusOK {
		s.protect.fallbacks.Keep(x.kept(), x.answer.header.Get(echo.HeaderContentType), x.answer.body)
	}
}

// kept is the request that an answer is kept for. Even what is open to anyone is kept for each caller and what they are: it may say
// more to some.
func (x *exchange) kept() fallback.Request {
	return fallback.Request{
		Route: x.op.ID, Tenant: x.caller.Tenant, Subject: x.caller.Subject, Roles: x.caller.Roles, PathAndQuery: x.c.Request().URL.RequestURI(),
	}
}
