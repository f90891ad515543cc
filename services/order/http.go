package order

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// Register adds the routes of the contract, of the journal and of operating.
func (s *Service) Register(g *echo.Group) {
	g.POST("/v1/orders", s.postOrder)
	g.GET("/v1/orders", s.getOrders)
	g.GET("/v1/orders/:id", s.getOrder)
	g.POST("/v1/orders/:id/payment", s.postPayment)
	g.POST("/v1/orders/:id/cancel", s.postCancel)
	s.log.Register(g)
	followers := []*follow.Follower{s.payments, s.inventory}
	follow.RegisterParked(g, Name, s.journal, followers, nil)
	follow.RegisterStatus(g, Name, s.log, followers, nil)
}

func (s *Service) postOrder(c echo.Context) error {
	key, err := checkKey(c.Request().Header.Values(orderapi.HeaderIdempotency))
	if err != nil {
		return err
	}
	var request orderapi.PlaceRequest
	if err := httpx.Decode(c, &request); err != nil {
		return err
	}
	by := identity.Of(c.Request().Header)
	if request.Customer, err = checkOwner(by, "/customer", request.Customer); err != nil {
		return err
	}
	if err := checkPlace(request); err != nil {
		return err
	}
	placed, err := s.place(c.Request().Context(), by, key, request)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/v1/orders/"+placed.Order.ID)
	if placed.Replayed {
		c.Response().Header().Set(orderapi.HeaderReplayed, "true")
	}
	return c.JSON(http.StatusCreated, placed.Order.Answer())
}

func (s *Service) getOrder(c echo.Context) error {
	id, err := httpx.PathParam(c, "id")
	if err != nil {
		return err
	}
	o, err := s.find(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if !ownerOf(o).Admits(identity.Of(c.Request().Header)) {
		return refuseUnknown(id)
	}
	return c.JSON(http.StatusOK, o.Answer())
}

func (s *Service) getOrders(c echo.Context) error {
	customer, err := httpx.Query(c, "customer")
	if err != nil {
		return err
	}
	by := identity.Of(c.Request().Header)
	if customer, err = checkOwner(by, "customer", customer); err != nil {
		return err
	}
	cursor, limit, err := httpx.Page(c)
	if err != nil {
		return err
	}
	orders, next, err := s.list(c.Request().Context(), identity.Owner{Tenant: by.Tenant, Subject: customer}, cursor, limit)
	if err != nil {
		return err
	}
	answer := httpx.List[orderapi.OrderAnswer]{Items: make([]orderapi.OrderAnswer, len(orders)), NextCursor: next}
	for i, o := range orders {
		answer.Items[i] = o.Answer()
	}
	return c.JSON(http.StatusOK, answer)
}

func (s *Service) postPayment(c echo.Context) error {
	id, err := httpx.PathParam(c, "id")
	if err != nil {
		return err
	}
	var request orderapi.PayRequest
	if err := httpx.Decode(c, &request); err != nil {
		return err
	}
	if err := checkMethod(request.Method); err != nil {
		return err
	}
	return s.change(c, http.StatusAccepted, id, requestPayment{OrderID: id, By: identity.Of(c.Request().Header), Method: request.Method})
}

func (s *Service) postCancel(c echo.Context) error {
	id, err := httpx.PathParam(c, "id")
	if err != nil {
		return err
	}
	return s.change(c, http.StatusOK, id, cancelOrder{OrderID: id, By: identity.Of(c.Request().Header)})
}

// change runs a command whose answer is the order. An order that is unknown here may have been placed at another
// replica a moment ago, so the command is decided again with what the store knows.
func (s *Service) change(c echo.Context, status int, id string, cmd journal.Command) error {
	ctx := c.Request().Context()
	result, err := s.journal.Do(ctx, id, cmd)
	if errs.HasCode(err, orderapi.CodeUnknownOrder) {
		if err := s.log.Sync(ctx, s.log.ShardOf(id)); err != nil {
			return err
		}
		result, err = s.journal.Do(ctx, id, cmd)
	}
	if err != nil {
		return err
	}
	return c.JSON(status, result.Answer.(orderapi.Order).Answer())
}
