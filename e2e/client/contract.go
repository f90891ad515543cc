package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Money is an amount in minor units of a currency.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Product is what one creates a SKU from.
type Product struct {
	Title    string `json:"title"`
	Price    Money  `json:"price"`
	Quantity int64  `json:"quantity"`
}

// Stock is a SKU as inventory shows it.
type Stock struct {
	SKU       string `json:"sku"`
	Title     string `json:"title"`
	Price     Money  `json:"price"`
	Received  int64  `json:"received"`
	Available int64  `json:"available"`
	Reserved  int64  `json:"reserved"`
	Sold      int64  `json:"sold"`
	Version   uint64 `json:"version"`
}

// Reservation is stock set aside.
type Reservation struct {
	ID        string    `json:"id"`
	SKU       string    `json:"sku"`
	Quantity  int64     `json:"quantity"`
	Status    string    `json:"status"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Contact is where a customer is told.
type Contact struct {
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// Line is one product of an order.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// NewOrder is what a customer asks for.
type NewOrder struct {
	Customer string  `json:"customer,omitempty"` // whom customers may leave out: themselves
	Contact  Contact `json:"contact"`
	Lines    []Line  `json:"lines"`
}

// Order is an order as the shop shows it.
type Order struct {
	ID     string    `json:"id"`
	Status string    `json:"status"`
	Lines  []Line    `json:"lines"`
	Total  Money     `json:"total"`
	PayBy  time.Time `json:"pay_by"`
}

// Notification is one message to a customer.
type Notification struct {
	Channel   string `json:"channel"`
	Template  string `json:"template"`
	Status    string `json:"status"`
	Attempts  int    `json:"attempts"`
	MessageID string `json:"message_id"`
}

// Parked is work that waits for an operator.
type Parked struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	Kind    string `json:"kind"`
	Reason  string `json:"reason"`
}

// List is a page of anything.
type List[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// The statuses of an order.
const (
	AwaitingPayment = "awaiting_payment"
	Paid            = "paid"
	Cancelled       = "cancelled"
	Refunded        = "refunded"
)

// Put creates or changes a SKU; created tells which.
func (c *Client) Put(ctx context.Context, sku string, p Product) (s Stock, created bool, err error) {
	status, err := c.call(ctx, http.MethodPut, path("v1", "inventory", sku), nil, p, &s)
	return s, status == http.StatusCreated, err
}

// Restock adds quantity to a SKU; id makes it safe to repeat.
func (c *Client) Restock(ctx context.Context, sku, id string, quantity int64) (s Stock, err error) {
	body := map[string]any{"id": id, "quantity": quantity}
	_, err = c.call(ctx, http.MethodPost, path("v1", "inventory", sku, "restock"), nil, body, &s)
	return s, err
}

// Stock reads a SKU.
func (c *Client) Stock(ctx context.Context, sku string) (s Stock, err error) {
	_, err = c.call(ctx, http.MethodGet, path("v1", "inventory", sku), nil, nil, &s)
	return s, err
}

// Stocks lists every SKU, a page at a time.
func (c *Client) Stocks(ctx context.Context, cursor string, limit int) (l List[Stock], err error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	_, err = c.call(ctx, http.MethodGet, "/v1/inventory?"+q.Encode(), nil, nil, &l)
	return l, err
}

// Reserve sets stock aside for hold.
func (c *Client) Reserve(ctx context.Context, sku, id string, quantity int64, hold time.Duration) (r Reservation, err error) {
	body := map[string]any{"id": id, "quantity": quantity, "hold_seconds": int(hold / time.Second)}
	_, err = c.call(ctx, http.MethodPost, path("v1", "inventory", sku, "reservations"), nil, body, &r)
	return r, err
}

// Resolve confirms or releases a reservation (verb "confirm" or "release").
func (c *Client) Resolve(ctx context.Context, sku, id, verb string) (r Reservation, err error) {
	_, err = c.call(ctx, http.MethodPost, path("v1", "inventory", sku, "reservations", id, verb), nil, nil, &r)
	return r, err
}

// Place places an order under an idempotency key.
func (c *Client) Place(ctx context.Context, key string, o NewOrder) (out Order, err error) {
	_, err = c.call(ctx, http.MethodPost, "/v1/orders", http.Header{"Idempotency-Key": {key}}, o, &out)
	return out, err
}

// Order reads an order.
func (c *Client) Order(ctx context.Context, id string) (o Order, err error) {
	_, err = c.call(ctx, http.MethodGet, path("v1", "orders", id), nil, nil, &o)
	return o, err
}

// Orders lists a customer's orders, a page at a time; customers may leave themselves out.
func (c *Client) Orders(ctx context.Context, customer, cursor string, limit int) (l List[Order], err error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if customer != "" {
		q.Set("customer", customer)
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	_, err = c.call(ctx, http.MethodGet, "/v1/orders?"+q.Encode(), nil, nil, &l)
	return l, err
}

// Pay asks for payment by method; the order becomes paid some time after.
func (c *Client) Pay(ctx context.Context, id, method string) error {
	_, err := c.call(ctx, http.MethodPost, path("v1", "orders", id, "payment"), nil, map[string]string{"method": method}, nil)
	return err
}

// Cancel cancels an order that is not paid.
func (c *Client) Cancel(ctx context.Context, id string) error {
	_, err := c.call(ctx, http.MethodPost, path("v1", "orders", id, "cancel"), nil, nil, nil)
	return err
}

// Notifications lists what a customer was told about an order.
func (c *Client) Notifications(ctx context.Context, id string) (l List[Notification], err error) {
	_, err = c.call(ctx, http.MethodGet, path("v1", "orders", id, "notifications"), nil, nil, &l)
	return l, err
}

// Parked lists work that waits for an operator.
func (c *Client) Parked(ctx context.Context) (l List[Parked], err error) {
	_, err = c.call(ctx, http.MethodGet, "/v1/ops/parked", nil, nil, &l)
	return l, err
}

// ResolveParked retries or discards parked work (verb "retry" or "discard").
func (c *Client) ResolveParked(ctx context.Context, service, id, verb string) error {
	_, err := c.call(ctx, http.MethodPost, path("v1", "ops", "parked", service, id, verb), nil, nil, nil)
	return err
}
