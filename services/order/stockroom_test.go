package order

import (
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/money"
)

// stockroom stands in for inventory's holds. Its prices are 100 a unit in EUR unless said otherwise.
type stockroom struct {
	mu        sync.Mutex
	available map[string]int64
	currency  map[string]string
	holds     map[string]heldBy
	asked     int // holds
	calls     int // in so many calls
	// answer, if set, may take the place of what would be answered; the hold is made all the same.
	answer func() error
	// gate, if set, is where a call waits before it is looked at.
	gate func()
	// old is an inventory of the release before, which answers one hold at a time.
	old bool
}

type heldBy struct {
	lines []inventoryapi.HoldLine
	hold  inventoryapi.Hold
}

func newStockroom() *stockroom {
	return &stockroom{available: map[string]int64{}, currency: map[string]string{}, holds: map[string]heldBy{}}
}

func (s *stockroom) register(g *echo.Group) {
	g.POST("/internal/holds", s.postHold)
	g.POST("/internal/holds/batch", s.postHolds)
	g.POST("/internal/holds/:id/release", s.postRelease)
}

func (s *stockroom) postHolds(c echo.Context) error {
	var ask inventoryapi.HoldsRequest
	if err := httpx.Decode(c, &ask); err != nil {
		return err
	}
	if s.old {
		return echo.ErrNotFound
	}
	if s.gate != nil {
		s.gate()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	var answer inventoryapi.HoldsAnswer
	for _, one := range ask.Holds {
		hold, err := s.hold(one)
		if err != nil {
			answer.Results = append(answer.Results, inventoryapi.HoldResult{Refusal: inventoryapi.RefusalOf(err)})
			continue
		}
		answer.Results = append(answer.Results, inventoryapi.HoldResult{Hold: &hold})
	}
	return c.JSON(http.StatusOK, answer)
}

func (s *stockroom) postHold(c echo.Context) error {
	var ask inventoryapi.HoldRequest
	if err := httpx.Decode(c, &ask); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	hold, err := s.hold(ask)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, hold)
}

func (s *stockroom) hold(ask inventoryapi.HoldRequest) (inventoryapi.Hold, error) {
	s.asked++
	held, there := s.holds[ask.ID]
	if there && held.hold.ExpiresAt.After(time.Now()) {
		if !reflect.DeepEqual(held.lines, ask.Lines) {
			return inventoryapi.Hold{}, errs.New(errs.Unprocessable, inventoryapi.CodeIDReused, "other lines")
		}
		return held.hold, nil
	}
	if there { // it has expired: the stock is back and taken anew
		s.giveBack(ask.ID)
	}
	hold := inventoryapi.Hold{ID: ask.ID, ExpiresAt: time.Now().UTC().Add(time.Duration(ask.HoldSeconds) * time.Second)}
	var unknown []string
	var short []inventoryapi.Shortage
	for _, l := range ask.Lines {
		there, known := s.available[l.SKU]
		if !known {
			unknown = append(unknown, l.SKU)
		} else if there < l.Quantity {
			short = append(short, inventoryapi.Shortage{SKU: l.SKU, Requested: l.Quantity, Available: there})
		}
		currency := s.currency[l.SKU]
		if currency == "" {
			currency = "EUR"
		}
		hold.Lines = append(hold.Lines, inventoryapi.HeldLine{SKU: l.SKU, Title: "Item " + l.SKU, Quantity: l.Quantity, UnitPrice: money.Of(100, currency)})
	}
	switch {
	case unknown != nil:
		return hold, errs.New(errs.Unprocessable, inventoryapi.CodeUnknownSKU, "unknown SKU").With("unknown_skus", unknown)
	case short != nil:
		return hold, errs.New(errs.Conflict, inventoryapi.CodeSoldOut, "not enough stock").With("skus", short)
	}
	for _, l := range ask.Lines {
		s.available[l.SKU] -= l.Quantity
	}
	s.holds[ask.ID] = heldBy{ask.Lines, hold}
	if s.answer != nil {
		if err := s.answer(); err != nil {
			return hold, err
		}
	}
	return hold, nil
}

func (s *stockroom) postRelease(c echo.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveBack(c.Param("id"))
	return c.NoContent(http.StatusNoContent)
}

func (s *stockroom) giveBack(id string) {
	for _, l := range s.holds[id].lines {
		s.available[l.SKU] += l.Quantity
	}
	delete(s.holds, id)
}
