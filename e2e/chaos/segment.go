package chaos

import (
	"encoding/json"
	"time"

	"github.com/sidecart/sidecart/e2e/client"
)

// segment is one committed batch, as a journal shows it.
type segment struct {
	Version int       `json:"version"`
	Service string    `json:"service"`
	Shard   int       `json:"shard"`
	Seq     uint64    `json:"seq"`
	Writer  string    `json:"writer"`
	Batch   uint64    `json:"batch"`
	At      time.Time `json:"at"`
	Events  []struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	} `json:"events"`
}

// orderEvent has every member of order's and payment's events that the account needs.
type orderEvent struct {
	OrderID  string        `json:"order_id"`
	Customer string        `json:"customer"`
	Lines    []client.Line `json:"lines"`
	Total    client.Money  `json:"total"`
	Amount   client.Money  `json:"amount"`
	PayBy    time.Time     `json:"pay_by"`
	Attempt  int           `json:"attempt"`
	ChargeID string        `json:"charge_id"`
	Status   string        `json:"status"`
}

// stockEvent has every member of inventory's events that the account needs.
type stockEvent struct {
	SKU          string        `json:"sku"`
	ID           string        `json:"id"`
	OrderID      string        `json:"order_id"`
	Quantity     int64         `json:"quantity"`
	FromReserved int64         `json:"from_reserved"`
	FromSold     int64         `json:"from_sold"`
	Gone         bool          `json:"gone"`
	Lines        []client.Line `json:"lines"`
	ExpiresAt    time.Time     `json:"expires_at"`
	IDs          []string      `json:"ids"`
	SKUs         []string      `json:"skus"`
	Reservations []struct {
		SKU      string `json:"sku"`
		ID       string `json:"id"`
		Quantity int64  `json:"quantity"`
	} `json:"reservations"`
}

// noticeEvent has every member of notify's events that the account needs.
type noticeEvent struct {
	OrderID  string `json:"order_id"`
	Messages []struct {
		ID       string `json:"id"`
		Channel  string `json:"channel"`
		Template string `json:"template"`
	} `json:"messages"`
	MessageID string `json:"message_id"`
}
