package follow

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// maxBulk bounds how many entries one request with all=true works on.
const maxBulk = 200

// Bulk is the answer to a request that concerns everything that is parked. Remaining above 0 asks for a repeat.
type Bulk struct {
	Done      int `json:"done"`
	Failed    int `json:"failed"`
	Remaining int `json:"remaining"`
}

// RegisterParked mounts the internal routes of what service has parked: events of its followers and, if tasks is
// not nil, effects on the outside world.
//
//	GET  /internal/parked?cursor=&limit=      → {items, next_cursor}
//	POST /internal/parked/:id/retry|discard   → 204
//	POST /internal/parked/retry|discard?all=true → Bulk
func RegisterParked(g *echo.Group, service string, target Target, followers []*Follower, tasks Tasks) {
	p := &parking{service: service, target: target, followers: followers, tasks: tasks}
	g.GET("/internal/parked", func(c echo.Context) error {
		cursor, limit, err := httpx.Page(c)
		if err != nil {
			return err
		}
		items, next, err := p.page(cursor, limit)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, httpx.List[Parked]{Items: items, NextCursor: next})
	})
	one := func(do func(context.Context, string) error) echo.HandlerFunc {
		return func(c echo.Context) error {
			id, err := httpx.PathParam(c, "id")
			if err != nil {
				return err
			}
			if err := do(c.Request().Context(), id); err != nil {
				return err
			}
			return c.NoContent(http.StatusNoContent)
		}
	}
	g.POST("/internal/parked/:id/retry", one(p.retry))
	g.POST("/internal/parked/:id/discard", one(p.discard))
	g.POST("/internal/parked/retry", p.bulk(p.retry))
	g.POST("/internal/parked/discard", p.bulk(p.discard))
}

// bulk does the same to everything that is parked, oldest first, up to a bound. What fails stays parked.
func (p *parking) bulk(do func(context.Context, string) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		if all, err := httpx.Query(c, "all"); err != nil || all != "true" {
			return errs.InvalidField("all", "must be true: this concerns everything that is parked")
		}
		var answer Bulk
		for i, entry := range p.list() {
			if i == maxBulk || c.Request().Context().Err() != nil {
				break
			}
			switch err := do(c.Request().Context(), entry.ID); {
			case err == nil || errs.HasCode(err, CodeParkedNotFound): // somebody else was faster
				answer.Done++
			default:
				answer.Failed++
			}
		}
		answer.Remaining = len(p.list())
		return c.JSON(http.StatusOK, answer)
	}
}

// Heads is what the status needs of the own journal.
type Heads interface {
	Loaded() <-chan struct{}
	Shards() int
	Heads() []uint64
	Followers() []journal.Follower
	Parked() []journal.Parked
}

// ServiceStatus is the answer of GET /internal/status.
type ServiceStatus struct {
	Service   string        `json:"service"`
	Journal   JournalStatus `json:"journal"`
	Followers []Status      `json:"followers"`
	Parked    int           `json:"parked"` // events and tasks
}

// JournalStatus is how far the own journal goes; without shards until it is loaded.
type JournalStatus struct {
	Shards int      `json:"shards"`
	Heads  []uint64 `json:"heads"`
	// FollowedBy is whom trimming waits for.
	FollowedBy []journal.Follower `json:"followed_by"`
}

// RegisterStatus mounts GET /internal/status.
func RegisterStatus(g *echo.Group, service string, own Heads, followers []*Follower, tasks Tasks) {
	g.GET("/internal/status", func(c echo.Context) error {
		answer := ServiceStatus{Service: service, Journal: JournalStatus{Heads: []uint64{}, FollowedBy: []journal.Follower{}}, Followers: []Status{}}
		select {
		case <-own.Loaded():
			answer.Journal = JournalStatus{Shards: own.Shards(), Heads: own.Heads(), FollowedBy: own.Followers()}
			answer.Parked = len(own.Parked())
		default:
		}
		if tasks != nil {
			answer.Parked += len(tasks.Parked())
		}
		for _, f := range followers {
			answer.Followers = append(answer.Followers, f.Status()...)
		}
		return c.JSON(http.StatusOK, answer)
	})
}
