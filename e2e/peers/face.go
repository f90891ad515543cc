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

// problem is an error document with the members that the load looks at.
func problem(code, detail string) map[string]string {
	return map[string]string{"code": code, "detail": detail}
}
