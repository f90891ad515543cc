package gateway

import (
	"net/http"
	"time"

	"github.com/sidecart/sidecart/services/gateway/gray"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// answerFrom asks the service for the answer, in the release that the gray rules choose for this caller. One that fails at another
// release than stable is asked of stable, too, where that is safe: nothing was sent, or nothing can have been changed.
func (s *Service) answerFrom(x *exchange) error {
	x.target = s.releases.Choose(x.op.ID, x.op.Service, gray.Caller{
		Header: x.c.Request().Header, Tenant: x.caller.Tenant, Subject: x.caller.Subject, Groups: x.caller.Groups,
	})
	outcome, err := s.askTarget(x)
	if outcome != gray.Failed {
		return err
	}
	second, safe := x.target.Elsewhere(x.op.Method, err)
	if !safe {
		return err
	}
	x.target = second
	_, err = s.askTarget(x)
	return err
}

// askTarget asks the chosen release and tells the gray rules how it went.
func (s *Service) askTarget(x *exchange) (gray.Outcome, error) {
	began := time.Now()
	outcome := gray.Unjudged
	defer func() { x.target.Done(outcome, time.Since(began)) }()
	err := s.forward(x)
	switch {
	case err != nil && httpx.GaveUp(x.c.Request().Context()): // its caller does not wait any more
	case err != nil || x.answer.status >= http.StatusInternalServerError:
		outcome = gray.Failed
	case s.answers.broken(x) && x.target.Trial(): // a release on trial has to keep to its contract
		outcome = gray.Failed
	default:
		outcome = gray.Succeeded
	}
	return outcome, err
}
