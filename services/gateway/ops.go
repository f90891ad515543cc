package gateway

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// CodeUnknownService says that an operator named a service that is not there.
const CodeUnknownService = "unknown_service"

// Where a service runs and whether it answers.
const (
	placementHere    = "in-process"
	placementSidecar = "sidecar"
	healthUp         = "up"
	healthDown       = "down"
)

// serviceStatus is one item of GET /v1/ops/services.
type serviceStatus struct {
	Name      string               `json:"name"`
	Placement string               `json:"placement"`
	Health    string               `json:"health"`
	Journal   follow.JournalStatus `json:"journal"`
	Followers []follow.Status      `json:"followers"`
	Parked    int                  `json:"parked"`
}

// parked is one item of GET /v1/ops/parked: what a service says but for the event's data, which may be personal.
type parked struct {
	ID       string    `json:"id"`
	Service  string    `json:"service"`
	Kind     string    `json:"kind"`
	Source   string    `json:"source"`
	Type     string    `json:"type"`
	Reason   string    `json:"reason"`
	Attempts int       `json:"attempts"`
	ParkedAt time.Time `json:"parked_at"`
}

// parkedList is the answer of GET /v1/ops/parked.
type parkedList struct {
	Items       []parked `json:"items"`
	NextCursor  string   `json:"next_cursor"`
	Unreachable []string `json:"unreachable,omitempty"` // services that are not in the list because they did not answer
}

// listServices asks every service about itself, all at once.
func (s *Service) listServices(c echo.Context) error {
	items := make([]serviceStatus, len(s.cfg.Services), len(s.cfg.Services)+1)
	var group sync.WaitGroup
	for i, name := range s.cfg.Services {
		group.Go(func() { items[i] = s.statusOf(c.Request().Context(), name) })
	}
	group.Wait()
	items = append(items, s.describe(Name, healthUp, follow.ServiceStatus{}))
	return c.JSON(http.StatusOK, httpx.List[serviceStatus]{Items: items})
}

func (s *Service) statusOf(ctx context.Context, name string) serviceStatus {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StatusWithin)
	defer cancel()
	var answer follow.ServiceStatus
	health := healthUp
	if err := httpx.Call(ctx, s.deps.Client, http.MethodGet, "http://"+name+"/internal/status", nil, &answer); err != nil {
		s.log.Debug("a service does not tell its status", "of", name, "error", err)
		health, answer = healthDown, follow.ServiceStatus{}
	}
	return s.describe(name, health, answer)
}

// describe fills in what is never null.
func (s *Service) describe(name, health string, answer follow.ServiceStatus) serviceStatus {
	out := serviceStatus{Name: name, Placement: placementSidecar, Health: health, Journal: answer.Journal, Followers: answer.Followers, Parked: answer.Parked}
	if name == Name || slices.Contains(s.deps.Services, name) {
		out.Placement = placementHere
	}
	if out.Journal.Heads == nil {
		out.Journal.Heads = []uint64{}
	}
	if out.Journal.FollowedBy == nil {
		out.Journal.FollowedBy = []journal.Follower{}
	}
	if out.Followers == nil {
		out.Followers = []follow.Status{}
	}
	return out
}

// opsCursor says where a page of the merged list begins: in which service, and that service's own cursor.
type opsCursor struct {
	Service string `json:"s"`
	Inner   string `json:"c"`
}

func (s *Service) readCursor(text string) (opsCursor, error) {
	if text == "" {
		return opsCursor{Service: s.firstService()}, nil
	}
	var c opsCursor
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil || !slices.Contains(s.cfg.Services, c.Service) {
		return c, errs.InvalidField("cursor", "is not one that this list gave")
	}
	return c, nil
}

func (s *Service) firstService() string {
	if len(s.cfg.Services) == 0 {
		return ""
	}
	return s.cfg.Services[0]
}

// write gives the cursor's text; its two strings always encode.
func (c opsCursor) write() string {
	raw, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// listParked gives one service's entries after the other's, each oldest first, in pages that may span services.
func (s *Service) listParked(c echo.Context) error {
	text, limit, err := httpx.Page(c)
	if err != nil {
		return err
	}
	cursor, err := s.readCursor(text)
	if err != nil {
		return err
	}
	answer := parkedList{Items: []parked{}}
	first := max(0, slices.Index(s.cfg.Services, cursor.Service))
	for i, name := range s.cfg.Services[min(first, len(s.cfg.Services)):] {
		inner := ""
		if i == 0 {
			inner = cursor.Inner
		}
		room := limit - len(answer.Items)
		if room == 0 {
			answer.NextCursor = opsCursor{Service: name}.write()
			break
		}
		items, next, err := s.parkedOf(c.Request().Context(), name, inner, room)
		if e := errs.From(err); e != nil && e.Kind == errs.Invalid {
			return errs.InvalidField("cursor", "is not one that this list gave")
		}
		if err != nil {
			s.log.Debug("a service does not list what is parked", "of", name, "error", err)
			answer.Unreachable = append(answer.Unreachable, name)
			continue
		}
		answer.Items = append(answer.Items, items...)
		if next != "" {
			answer.NextCursor = opsCursor{Service: name, Inner: next}.write()
			break
		}
	}
	return c.JSON(http.StatusOK, answer)
}

func (s *Service) parkedOf(ctx context.Context, name, cursor string, limit int) ([]parked, string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StatusWithin)
	defer cancel()
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	var page httpx.List[parked]
	err := httpx.Call(ctx, s.deps.Client, http.MethodGet, "http://"+name+"/internal/parked?"+query.Encode(), nil, &page)
	if errs.HasCode(err, errs.CodeNotFound) {
		return nil, "", nil // it parks nothing
	}
	return page.Items, page.NextCursor, err
}

// resolveParked retries or discards one entry of a service.
func (s *Service) resolveParked(verb string) echo.HandlerFunc {
	return func(c echo.Context) error {
		service, err := s.serviceParam(c)
		if err != nil {
			return err
		}
		id, err := httpx.PathParam(c, "id")
		if err != nil {
			return err
		}
		target := "http://" + service + "/internal/parked/" + url.PathEscape(id) + "/" + verb
		if err := httpx.Call(c.Request().Context(), s.deps.Client, http.MethodPost, target, nil, nil); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	}
}

// resolveAllParked does it to everything that a service has parked.
func (s *Service) resolveAllParked(verb string) echo.HandlerFunc {
	return func(c echo.Context) error {
		service, err := s.serviceParam(c)
		if err != nil {
			return err
		}
		if all, err := httpx.Query(c, "all"); err != nil || all != "true" {
			return errs.InvalidField("all", "must be true: this concerns everything that is parked")
		}
		var answer follow.Bulk
		target := "http://" + service + "/internal/parked/" + verb + "?all=true"
		if err := httpx.Call(c.Request().Context(), s.deps.Client, http.MethodPost, target, nil, &answer); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, answer)
	}
}

// forgetFollower takes a follower that is no more off a service's list, so that trimming no longer waits for it.
func (s *Service) forgetFollower(c echo.Context) error {
	service, err := s.serviceParam(c)
	if err != nil {
		return err
	}
	follower, err := httpx.PathParam(c, "follower")
	if err != nil {
		return err
	}
	target := "http://" + service + journal.Route + "/followers/" + url.PathEscape(follower)
	if err := httpx.Call(c.Request().Context(), s.deps.Client, http.MethodDelete, target, nil, nil); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// serviceParam is the service that the path names, if there is one.
func (s *Service) serviceParam(c echo.Context) (string, error) {
	service, err := httpx.PathParam(c, "service")
	if err != nil {
		return "", err
	}
	if !slices.Contains(s.cfg.Services, service) {
		return "", errs.New(errs.NotFound, CodeUnknownService, "there is no service of this name")
	}
	return service, nil
}
