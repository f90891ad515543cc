package gateway

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/gateway/gray"
	"github.com/sidecart/sidecart/services/gateway/rules"
	"github.com/sidecart/sidecart/services/kit/fault"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// makeRules makes what gateway.yaml governs and puts the file into use; one that is not good is an error.
func (s *Service) makeRules() (err error) {
	if s.releases, err = gray.New(gray.Deps{Now: s.deps.Now, Log: s.log, Metrics: s.deps.Metrics}); err != nil {
		return err
	}
	s.rules, err = rules.New(rules.Config{Path: s.cfg.RulesPath}, rules.Deps{
		Store: s.deps.Configuration, Now: s.deps.Now, Log: s.log, Metrics: s.deps.Metrics,
	})
	if err != nil {
		return err
	}
	s.rules.Join(rules.Part{Check: s.checkRules, Use: s.apply})
	return s.rules.Load()
}

// checkRules is a rules.Part's Check: what does not fit the contracts, among them those that the rules themselves give.
func (s *Service) checkRules(f *rules.File) []fault.Fault {
	set, bad := s.foreign.check(f, s.cfg.Services, s.book)
	if len(bad) > 0 {
		return bad
	}
	return append(s.present.check(f, set), s.checkFallbacks(f, set)...)
}

// apply gives each part of the gateway its rules, which have been checked. Requests go on meanwhile: each part changes over at once.
func (s *Service) apply(f *rules.File) {
	s.applyContracts(f)
	s.releases.Use(f.Gray())
	s.protect.use(f)
	if err := s.verifier.SetIssuers(f.Issuers); err != nil {
		s.log.Error("the issuers of gateway.yaml are good and were refused; those before stay", "error", err)
	}
	s.file.Store(f)
}

// applyContracts makes the rules of terminals, screens, compression and services hold; other screens and services are other paths and
// another document.
func (s *Service) applyContracts(f *rules.File) {
	given, others := s.foreign.use(f)
	if !s.present.use(f, others) {
		return
	}
	if err := s.book.Extend(given, s.present.extra); err != nil {
		s.log.Error("the screens and services of gateway.yaml do not go together with the contracts; those before stay", "error", err)
	}
}

// rulesStatus is the answer of GET /v1/ops/rules.
type rulesStatus struct {
	rules.Status
	// Unknown are operations that there are rules for and that are in no contract.
	Unknown []string `json:"unknown_routes"`
}

// showRules tells which rules are in use, and why newer ones are not.
func (s *Service) showRules(c echo.Context) error {
	answer := rulesStatus{Status: s.rules.Status(), Unknown: []string{}}
	if set := s.book.Set(); len(set.Missing) == 0 { // otherwise nobody knows yet
		answer.Unknown = append(answer.Unknown, s.file.Load().Unknown(func(id string) bool { return set.Operation(id) != nil })...)
	}
	return c.JSON(http.StatusOK, answer)
}

// showGray tells what each release gets, and what it lost and why.
func (s *Service) showGray(c echo.Context) error {
	return c.JSON(http.StatusOK, httpx.List[gray.RouteReport]{Items: s.releases.Report()})
}
