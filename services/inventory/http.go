package inventory

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
)

func (s *Service) putItem(c echo.Context) error {
	sku, err := stockParam(c)
	if err != nil {
		return err
	}
	var body putItemRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	put, err := do[PutAnswer](c, s, sku, PutItem{SKU: sku, Title: body.Title, Price: *body.Price, Quantity: *body.Quantity})
	if err != nil {
		return err
	}
	if put.Created {
		return c.JSON(http.StatusCreated, put.Item)
	}
	return c.JSON(http.StatusOK, put.Item)
}

func (s *Service) getItem(c echo.Context) error {
	sku, err := skuParam(c)
	if err != nil {
		return err
	}
	if err := s.loaded(); err != nil {
		return err
	}
	state, err := s.shardState(c.Request().Context(), s.journal.ShardOf(sku))
	if err != nil {
		return err
	}
	item := state.Item(sku)
	if item == nil {
		return unknownSKU(sku)
	}
	return c.JSON(http.StatusOK, item)
}

func (s *Service) listItems(c echo.Context) error {
	cursor, limit, err := httpx.Page(c)
	if err != nil {
		return err
	}
	if cursor != "" {
		if err := checkSKU("cursor", cursor); err != nil {
			return err
		}
	}
	if err := s.loaded(); err != nil {
		return err
	}
	list, err := s.itemsAfter(c.Request().Context(), cursor, limit)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list)
}

// itemsAfter merges the shards, each of which has its items in order. The cursor is the last SKU of a page, so
// pages stay right while SKUs are added.
func (s *Service) itemsAfter(ctx context.Context, cursor string, limit int) (httpx.List[*Item], error) {
	items := []*Item{}
	for shard := range s.journal.Shards() {
		state, err := s.shardState(ctx, shard)
		if err != nil {
			return httpx.List[*Item]{}, err
		}
		items = append(items, state.ItemsAfter(cursor, limit+1)...)
	}
	slices.SortFunc(items, func(a, b *Item) int { return cmp.Compare(a.SKU, b.SKU) })
	if len(items) <= limit {
		return httpx.List[*Item]{Items: items}, nil
	}
	return httpx.List[*Item]{Items: items[:limit], NextCursor: items[limit-1].SKU}, nil
}

func (s *Service) restock(c echo.Context) error {
	sku, err := stockParam(c)
	if err != nil {
		return err
	}
	var body restockRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	item, err := do[*Item](c, s, sku, AddStock{SKU: sku, ID: body.ID, Quantity: body.Quantity})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, item)
}

func (s *Service) reserve(c echo.Context) error {
	sku, err := stockParam(c)
	if err != nil {
		return err
	}
	var body reserveRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	r, err := do[*Reservation](c, s, sku, Reserve{SKU: sku, ID: body.ID, Quantity: body.Quantity, HoldSeconds: body.HoldSeconds})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, wireReservation(r))
}

func (s *Service) confirm(c echo.Context) error {
	return s.resolve(c, func(sku, id string) journal.Command { return Confirm{SKU: sku, ID: id} })
}

func (s *Service) release(c echo.Context) error {
	return s.resolve(c, func(sku, id string) journal.Command { return Release{SKU: sku, ID: id} })
}

func (s *Service) resolve(c echo.Context, command func(sku, id string) journal.Command) error {
	sku, err := stockParam(c)
	if err != nil {
		return err
	}
	id, err := httpx.PathParam(c, "id")
	if err != nil {
		return err
	}
	r, err := do[*Reservation](c, s, sku, command(sku, id))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wireReservation(r))
}

func (s *Service) postHold(c echo.Context) error {
	var body inventoryapi.HoldRequest
	if err := httpx.Decode(c, &body); err != nil {
		return err
	}
	if err := s.loaded(); err != nil {
		return err
	}
	hold, err := s.hold(c.Request().Context(), body)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, hold)
}

func (s *Service) postHolds(c echo.Context) error {
	var body inventoryapi.HoldsRequest
	if err := httpx.Decode(c, &body); err != nil {
		return err
	}
	if err := firstError(checkCount("/holds", len(body.Holds), inventoryapi.MaxHolds), s.loaded()); err != nil {
		return err
	}
	ctx := c.Request().Context()
	answer := inventoryapi.HoldsAnswer{Results: make([]inventoryapi.HoldResult, len(body.Holds))}
	for i, h := range s.holdEach(ctx, body.Holds) {
		if h.err == nil {
			answer.Results[i].Hold = &h.hold
			continue
		}
		answer.Results[i].Refusal = inventoryapi.RefusalOf(h.err)
		if answer.Results[i].Refusal.Code == errs.CodeInternal { // the answer to them all is no failure, which would be logged
			s.deps.Log.ErrorContext(ctx, "a hold failed", "hold", h.ask.ID, "error", h.err)
		}
	}
	return c.JSON(http.StatusOK, answer)
}

func (s *Service) postHoldRelease(c echo.Context) error {
	id, err := httpx.PathParam(c, "id")
	if err != nil {
		return err
	}
	var body inventoryapi.ReleaseRequest
	if err := httpx.Decode(c, &body); err != nil {
		return err
	}
	if err := firstError(checkRelease(body), s.loaded()); err != nil {
		return err
	}
	if err := s.releaseHold(c.Request().Context(), id, body.SKUs); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// stockParam is skuParam for changes. The stock is the shop's own: operators and services of a tenant have no say in it.
func stockParam(c echo.Context) (string, error) {
	if !identity.Of(c.Request().Header).OfShop() {
		return "", errs.New(errs.Forbidden, errs.CodeForbidden, "the stock is the shop's own, and your tenant is another")
	}
	return skuParam(c)
}

func skuParam(c echo.Context) (string, error) {
	sku, err := httpx.PathParam(c, "sku")
	if err != nil {
		return "", err
	}
	return sku, checkSKU("sku", sku)
}

// decode reads a body and checks what is in it.
func decode[T interface{ check() error }](c echo.Context, body *T) error {
	if err := httpx.Decode(c, body); err != nil {
		return err
	}
	return (*body).check()
}

// do gives a command to the shard of its SKU and types the answer.
func do[A any](c echo.Context, s *Service, sku string, cmd journal.Command) (A, error) {
	result, err := s.journal.Do(c.Request().Context(), sku, cmd)
	if err != nil {
		var none A
		return none, err
	}
	return result.Answer.(A), nil
}
