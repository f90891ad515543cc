package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/delivery"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// What is asked of the next broker unless the caller says something else.
const (
	quietByDefault    = 10 * time.Minute
	segmentsByDefault = 100
	maxQuiet          = 24 * time.Hour
	maxSegments       = 1_000_000
)

// brokersOfService is one item of GET /v1/ops/brokers.
type brokersOfService struct {
	Name       string              `json:"name"`
	Health     string              `json:"health"`
	Present    string              `json:"present"`
	Next       string              `json:"next"`
	Percent    int                 `json:"percent"`
	Publishing delivery.Publishing `json:"publishing"`
	Follows    []delivery.Line     `json:"follows"`
}

// brokersAnswer is the answer of GET /v1/ops/brokers.
type brokersAnswer struct {
	delivery.Verdict
	Items []brokersOfService `json:"items"`
}

// listBrokers asks every service, all at once, what its brokers have delivered, and judges whether the present one can go.
func (s *Service) listBrokers(c echo.Context) error {
	quiet, err := httpx.QueryInt(c, "quiet_seconds", int(quietByDefault.Seconds()), 0, int(maxQuiet.Seconds()))
	if err != nil {
		return err
	}
	segments, err := httpx.QueryInt(c, "segments", segmentsByDefault, 0, maxSegments)
	if err != nil {
		return err
	}
	answers := make([]delivery.Answer, len(s.cfg.Services))
	var group sync.WaitGroup
	for i, name := range s.cfg.Services {
		group.Go(func() { answers[i] = s.brokersOf(c.Request().Context(), name) })
	}
	group.Wait()
	rules := delivery.Rules{Quiet: time.Duration(quiet) * time.Second, Segments: uint64(segments)}
	answer := brokersAnswer{Verdict: delivery.Judge(answers, rules, s.deps.Now()), Items: []brokersOfService{}}
	for _, a := range answers {
		item := brokersOfService{
			Name: a.Service, Health: healthDown, Present: a.Present, Next: a.Next, Percent: a.Percent, Publishing: a.Publishing, Follows: a.Lines,
		}
		if a.Up {
			item.Health = healthUp
		}
		if item.Follows == nil {
			item.Follows = []delivery.Line{}
		}
		answer.Items = append(answer.Items, item)
	}
	return c.JSON(http.StatusOK, answer)
}

func (s *Service) brokersOf(ctx context.Context, name string) delivery.Answer {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StatusWithin)
	defer cancel()
	var answer delivery.Status
	if err := httpx.Call(ctx, s.deps.Client, http.MethodGet, "http://"+name+"/internal/brokers", nil, &answer); err != nil {
		s.log.Debug("a service does not tell of its brokers", "of", name, "error", err)
		return delivery.Answer{Status: delivery.Status{Service: name}}
	}
	answer.Service = name
	return delivery.Answer{Status: answer, Up: true}
}
