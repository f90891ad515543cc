package payment

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/task"
)

// Register adds the routes; all are internal.
func (s *Service) Register(g *echo.Group) {
	g.GET("/internal/charges/:order_id", s.getAccount)
	s.journal.Register(g)
	followers := []*follow.Follower{s.follower}
	follow.RegisterParked(g, Name, s.journal, followers, s.board)
	follow.RegisterStatus(g, Name, s.journal, followers, s.board)
}

// accountAnswer is what operators see of an order's money: the account and the work that is still open.
type accountAnswer struct {
	OrderID string      `json:"order_id"`
	Charges []charge    `json:"charges"`
	Refunds []refund    `json:"refunds"`
	Open    []task.Task `json:"open"`
}

// getAccount answers from a state that has everything that was committed before the request.
func (s *Service) getAccount(c echo.Context) error {
	id, err := httpx.PathParam(c, "order_id")
	if err != nil {
		return err
	}
	if err := s.journal.Ready(); err != nil {
		return err
	}
	shard := s.journal.ShardOf(id)
	if err := s.journal.Sync(c.Request().Context(), shard); err != nil {
		return err
	}
	state := s.journal.State(shard)
	a := state.account(id)
	if a == nil {
		return errs.New(errs.NotFound, "unknown_order", "no charge was asked for, or the order is finished and was archived")
	}
	answer := accountAnswer{OrderID: id, Charges: a.Charges, Refunds: a.Refunds}
	keys := make([]string, 0, len(a.Charges)+len(a.Refunds))
	for _, ch := range a.Charges {
		keys = append(keys, chargeKey(id, ch.Attempt))
	}
	for _, r := range a.Refunds {
		keys = append(keys, refundKey(r.ChargeID))
	}
	for _, key := range keys {
		if t, ok := state.tasks.Get(key); ok {
			answer.Open = append(answer.Open, t)
		}
	}
	return c.JSON(http.StatusOK, answer)
}
