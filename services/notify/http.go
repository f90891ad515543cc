package notify

import (
	"context"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
)

// Register adds the routes; all but the first are internal.
func (s *Service) Register(g *echo.Group) {
	g.GET("/v1/orders/:id/notifications", s.getNotifications)
	s.log.Register(g)
	followers := []*follow.Follower{s.follower}
	follow.RegisterParked(g, Name, s.journal, followers, s.board)
	follow.RegisterStatus(g, Name, s.log, followers, s.board)
}

// getNotifications lists what was or will be said about an order, the oldest first. An order that notify has not
// heard of yet is no error: it learns of orders a moment after they are placed. To whom the order does not belong it is one of
// those. The cursor counts what came before.
func (s *Service) getNotifications(c echo.Context) error {
	id, err := httpx.PathParam(c, "id")
	if err != nil {
		return err
	}
	cursor, limit, err := httpx.Page(c)
	if err != nil {
		return err
	}
	from := 0
	if cursor != "" {
		if from, err = strconv.Atoi(cursor); err != nil || from < 0 {
			return errs.InvalidField("cursor", "is not one that this list gave")
		}
	}
	o, err := s.find(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if !(identity.Owner{Tenant: o.Tenant, Subject: o.Customer}).Admits(identity.Of(c.Request().Header)) {
		o = notifyapi.Order{}
	}
	answer := httpx.List[notifyapi.Notification]{Items: []notifyapi.Notification{}}
	made := o.Messages[min(from, len(o.Messages)):]
	if len(made) > limit {
		made, answer.NextCursor = made[:limit], strconv.Itoa(from+limit)
	}
	for _, m := range made {
		answer.Items = append(answer.Items, notifyapi.Notification{
			Channel: m.Channel, Template: m.Template, Status: m.Status, Attempts: m.Attempts, MessageID: m.ID,
		})
	}
	return c.JSON(http.StatusOK, answer)
}

// find gives an order from memory or from its view, and an empty one if it is unknown. What is not in memory here
// is looked for again with what other replicas have committed.
func (s *Service) find(ctx context.Context, id string) (notifyapi.Order, error) {
	select {
	case <-s.log.Loaded():
	default:
		return notifyapi.Order{}, errs.New(errs.Unavailable, errs.CodeUnavailable, "the service is starting; try again shortly")
	}
	shard := s.log.ShardOf(id)
	if o := s.log.State(shard).order(id); o != nil {
		return *o, nil
	}
	if err := s.log.Sync(ctx, shard); err != nil {
		return notifyapi.Order{}, err
	}
	st := s.log.State(shard)
	if o := st.order(id); o != nil {
		return *o, nil
	}
	if !st.archived.Maybe(id) {
		return notifyapi.Order{}, nil
	}
	view, err := s.views.Get(ctx, id)
	if err != nil || view == nil {
		return notifyapi.Order{}, err
	}
	return view.Doc, nil
}
