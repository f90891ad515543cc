package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/httpx"
)

// What a store says instead of doing what it was asked for. Any other error leaves the outcome unknown.
var (
	errSoldOut    = errors.New("sold out")
	errUnknownSKU = errors.New("unknown SKU")
)

// maxUnits bounds a quantity, as sidecart does.
const maxUnits = 1_000_000_000

// store is what tells the peers apart. Its methods are safe for concurrent use.
type store interface {
	// put makes a SKU with so many units, or starts one anew.
	put(ctx context.Context, sku string, units int64) error
	// reserve takes units of a SKU, or none of them.
	reserve(ctx context.Context, r reservation) error
	// stock reads the books of a SKU from where they are kept.
	stock(ctx context.Context, sku string) (books, error)
	close()
}

// seller is a store that also sells: orders of one line, paid for in a second request.
type seller interface {
	// place takes an order on, or finds it taken on.
	place(ctx context.Context, o sale) error
	// pay has the order charged.
	pay(ctx context.Context, id, method string) error
}

// reservation is what is asked for and, as it is, what is answered.
type reservation struct {
	ID        string    `json:"id"`
	SKU       string    `json:"sku"`
	Quantity  int64     `json:"quantity"`
	Status    string    `json:"status"`
	ExpiresAt time.Time `json:"expires_at"`
}

// books are a SKU's units.
type books struct {
	SKU       string `json:"sku"`
	Received  int64  `json:"received"`
	Available int64  `json:"available"`
	Reserved  int64  `json:"reserved"`
	Sold      int64  `json:"sold"`
}

// face is the HTTP side, the same for every peer.
type face struct {
	store  store
	decode func(c echo.Context, into any) error
}

// newFace makes the handler. kit puts sidecart's own HTTP kit in the place of plain Echo.
func newFace(s store, kit bool) http.Handler {
	f := face{store: s, decode: func(c echo.Context, into any) error { return (&echo.DefaultBinder{}).BindBody(c, into) }}
	e := echo.New()
	if kit {
		e = httpx.NewEcho(httpx.Config{}, httpx.Deps{
			Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		})
		f.decode = httpx.Decode
	}
	e.HideBanner, e.HidePort = true, true
	e.GET("/healthz", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.PUT("/inventory/v1/inventory/:sku", f.put)
	e.GET("/inventory/v1/inventory/:sku", f.get)
	e.POST("/inventory/v1/inventory/:sku/reservations", f.reserve)
	if s, ok := s.(seller); ok {
		e.POST("/v1/orders", func(c echo.Context) error { return f.place(c, s) })
		e.POST("/v1/orders/:id/payment", func(c echo.Context) error { return f.pay(c, s) })
	}
	return e
}

func (f face) put(c echo.Context) error {
	var body struct {
		Title    string `json:"title"`
		Quantity int64  `json:"quantity"`
		Price    struct {
			Amount   int64  `json:"amount"`
			Currency string `json:"currency"`
		} `json:"price"`
	}
	if err := f.decode(c, &body); err != nil {
		return err
	}
	if body.Quantity < 0 || body.Quantity > maxUnits {
		return c.JSON(http.StatusBadRequest, problem("invalid_request", "/quantity: must be from 0 to 1000000000"))
	}
	if err := f.store.put(c.Request().Context(), c.Param("sku"), body.Quantity); err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, books{SKU: c.Param("sku"), Received: body.Quantity, Available: body.Quantity})
}

func (f face) get(c echo.Context) error {
	b, err := f.store.stock(c.Request().Context(), c.Param("sku"))
	if errors.Is(err, errUnknownSKU) {
		return c.JSON(http.StatusNotFound, problem("unknown_sku", "there is no such SKU"))
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, b)
}

func (f face) reserve(c echo.Context) error {
	var body struct {
		ID          string `json:"id"`
		Quantity    int64  `json:"quantity"`
		HoldSeconds int64  `json:"hold_seconds"`
	}
	if err := f.decode(c, &body); err != nil {
		return err
	}
	switch {
	case body.ID == "" || len(body.ID) > 128:
		return c.JSON(http.StatusBadRequest, problem("invalid_request", "/id: must have 1 to 128 characters"))
	case body.Quantity < 1 || body.Quantity > maxUnits:
		return c.JSON(http.StatusBadRequest, problem("invalid_request", "/quantity: must be from 1 to 1000000000"))
	case body.HoldSeconds < 1 || body.HoldSeconds > 86_400:
		return c.JSON(http.StatusBadRequest, problem("invalid_request", "/hold_seconds: must be from 1 to 86400"))
	}
	r := reservation{
		ID: body.ID, SKU: c.Param("sku"), Quantity: body.Quantity, Status: "pending",
		ExpiresAt: time.Now().UTC().Add(time.Duration(body.HoldSeconds) * time.Second),
	}
	err := f.store.reserve(c.Request().Context(), r)
	switch {
	case errors.Is(err, errSoldOut):
		return c.JSON(http.StatusConflict, problem("sold_out", "not enough is available"))
	case errors.Is(err, errUnknownSKU):
		return c.JSON(http.StatusNotFound, problem("unknown_sku", "there is no such SKU"))
	case err != nil:
		return err
	}
	return c.JSON(http.StatusCreated, r)
}

// place answers with the order's id, which is the request's idempotency key.
func (f face) place(c echo.Context, s seller) error {
	var body struct {
		Customer string `json:"customer"`
		Contact  struct {
			Phone string `json:"phone"`
		} `json:"contact"`
		Lines []struct {
			SKU      string `json:"sku"`
			Quantity int64  `json:"quantity"`
		} `json:"lines"`
	}
	if err := f.decode(c, &body); err != nil {
		return err
	}
	id := c.Request().Header.Get("Idempotency-Key")
	switch {
	case id == "" || len(id) > 128:
		return c.JSON(http.StatusBadRequest, problem("invalid_request", "Idempotency-Key: must have 1 to 128 characters"))
	case body.Contact.Phone == "":
		return c.JSON(http.StatusBadRequest, problem("invalid_request", "/contact/phone: is needed"))
	case len(body.Lines) != 1 || body.Lines[0].Quantity < 1 || body.Lines[0].Quantity > maxUnits:
		return c.JSON(http.StatusBadRequest, problem("invalid_request", "/lines: must be one, of 1 to 1000000000 units"))
	}
	o := sale{ID: id, SKU: body.Lines[0].SKU, Quantity: body.Lines[0].Quantity, Phone: body.Contact.Phone}
	if err := s.place(c.Request().Context(), o); err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, o)
}

func (f face) pay(c echo.Context, s seller) error {
	var body struct {
		Method string `json:"method"`
	}
	if err := f.decode(c, &body); err != nil {
		return err
	}
	if body.Method == "" {
		return c.JSON(http.StatusBadRequest, problem("invalid_request", "/method: is needed"))
	}
	if err := s.pay(c.Request().Context(), c.Param("id"), body.Method); err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, map[string]string{"id": c.Param("id")})
}

// problem is an error document with the members that the load looks at.
func problem(code, detail string) map[string]string {
	return map[string]string{"code": code, "detail": detail}
}
