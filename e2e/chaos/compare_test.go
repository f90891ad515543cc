package chaos

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
)

// shopOfOne is the accounts of a shop in which ada bought one cup, bob cancelled after he was charged, and a
// reservation was confirmed. They agree.
type shopOfOne struct {
	t *testing.T
	c *comparison
}

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func (s shopOfOne) event(service, kind, data string) {
	s.t.Helper()
	next := segment{Service: service, At: noon}
	next.Events = append(next.Events, struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}{kind, json.RawMessage(data)})
	require.NoError(s.t, s.c.account.apply(next))
}

func newShopOfOne(t *testing.T) shopOfOne {
	s := shopOfOne{t, &comparison{account: newAccount(), told: newTold(), now: noon.Add(time.Minute)}}
	s.event("inventory", "inventory.item_created", `{"sku":"cup","quantity":10}`)
	s.event("inventory", "inventory.reserved", `{"sku":"cup","id":"r1","quantity":2,"expires_at":"2026-05-04T12:05:00Z"}`)
	s.event("inventory", "inventory.confirmed", `{"sku":"cup","id":"r1","quantity":2}`)
	for _, name := range []string{"ada", "bob"} {
		id, charge := "o-"+name, "ch-"+name
		s.event("inventory", "inventory.held", `{"id":"`+id+`","lines":[{"sku":"cup","quantity":1}],"expires_at":"2026-05-04T12:05:00Z"}`)
		s.event("order", "order.placed", `{"order_id":"`+id+`","customer":"`+name+`","lines":[{"sku":"cup","quantity":1}],"total":{"amount":5,"currency":"EUR"},"pay_by":"2026-05-04T12:05:00Z"}`)
		s.event("order", "order.payment_requested", `{"order_id":"`+id+`","attempt":1}`)
		s.event("payment", "payment.charged", `{"order_id":"`+id+`","attempt":1,"charge_id":"`+charge+`","amount":{"amount":5,"currency":"EUR"}}`)
		s.c.world.charges = append(s.c.world.charges, harness.Entry{Kind: "charge", OrderID: id, ID: charge, Key: "k-" + name, Amount: 5})
		s.c.told.orders[name] = &toldOrder{lines: []client.Line{{SKU: "cup", Quantity: 1}}, placed: yes, id: id, paying: true}
	}
	s.event("order", "order.paid", `{"order_id":"o-ada","attempt":1,"charge_id":"ch-ada"}`)
	s.event("inventory", "inventory.hold_confirmed", `{"order_id":"o-ada","sku":"cup","quantity":1,"from_reserved":1}`)
	s.event("order", "order.cancelled", `{"order_id":"o-bob"}`)
	s.event("inventory", "inventory.hold_released", `{"order_id":"o-bob","sku":"cup","from_reserved":1}`)
	s.event("order", "order.refund_requested", `{"order_id":"o-bob","attempt":1,"charge_id":"ch-bob"}`)
	s.event("payment", "payment.refunded", `{"order_id":"o-bob","charge_id":"ch-bob"}`)
	s.event("order", "order.refunded", `{"order_id":"o-bob","charge_id":"ch-bob","status":"refunded"}`)
	s.c.world.refunds = []harness.Entry{{Kind: "refund", OrderID: "o-bob", ID: "re-bob", Key: "rk", Amount: 5}}
	s.c.told.orders["bob"].cancelled = true
	s.c.told.orders["eve"] = &toldOrder{placed: no}
	s.c.told.reservations["r1"] = &toldReservation{sku: "cup", quantity: 2, reserved: yes, resolved: "confirm"}
	s.c.told.received["cup"] = 10
	s.c.stock = map[string]client.Stock{"cup": {SKU: "cup", Received: 10, Available: 7, Sold: 3}}
	s.c.world.arrived = map[string]int{}
	for _, made := range []struct{ order, template string }{
		{"o-ada", "order_placed"}, {"o-ada", "order_paid"}, {"o-bob", "order_placed"}, {"o-bob", "order_cancelled"}, {"o-bob", "order_refunded"},
	} {
		for _, channel := range []string{"email", "sms"} {
			id := made.order + "/" + made.template + "/" + channel
			s.event("notify", "notify.queued", `{"order_id":"`+made.order+`","messages":[{"id":"`+id+`","channel":"`+channel+`","template":"`+made.template+`"}]}`)
			s.event("notify", "notify.sent", `{"order_id":"`+made.order+`","message_id":"`+id+`"}`)
			s.c.world.arrived[id] = 1
		}
	}
	return s
}

// wrong gives all that the books say.
func (s shopOfOne) wrong() []string {
	s.c.all()
	return append(s.c.wrong, s.c.account.wrong...)
}

func TestAccountsThatAgreeAreNoViolation(t *testing.T) {
	assert.Empty(t, newShopOfOne(t).wrong())
	s := newShopOfOne(t)
	s.c.empty = true
	assert.Empty(t, s.wrong())
}

// TestEveryLieIsFound: the proof is worth what its judge finds.
func TestEveryLieIsFound(t *testing.T) {
	for name, tc := range map[string]struct {
		lie  func(s shopOfOne)
		want string
	}{
		"an order is lost": {func(s shopOfOne) {
			delete(s.c.account.orders, "o-ada")
			delete(s.c.account.customers, "ada")
		}, "lost: ada"},
		"an order is doubled":    {func(s shopOfOne) { s.c.account.customers["ada"] = append(s.c.account.customers["ada"], "o-bob") }, "doubled: one request of ada"},
		"nobody asked":           {func(s shopOfOne) { delete(s.c.told.orders, "ada") }, "nobody asked"},
		"refused and there":      {func(s shopOfOne) { s.c.told.orders["ada"].placed = no }, "was refused and has the order"},
		"other lines":            {func(s shopOfOne) { s.c.told.orders["ada"].lines[0].Quantity = 2 }, "asked for were"},
		"a cancellation is lost": {func(s shopOfOne) { s.c.told.orders["ada"].cancelled = true }, "the cancellation of o-ada"},
		"placed twice":           {func(s shopOfOne) { s.event("order", "order.placed", `{"order_id":"o-ada","customer":"ada"}`) }, "placed twice"},
		"paid while cancelled":   {func(s shopOfOne) { s.event("order", "order.paid", `{"order_id":"o-bob","attempt":1}`) }, "became paid when it was refunded"},
		"charged twice": {func(s shopOfOne) {
			s.c.world.charges = append(s.c.world.charges, harness.Entry{Kind: "charge", OrderID: "o-ada", ID: "ch2", Key: "k2", Amount: 5})
		}, "o-ada is paid with 2 charges"},
		"one key, two charges":    {func(s shopOfOne) { s.c.world.charges[1].Key = s.c.world.charges[0].Key }, "doubled: the ledger"},
		"not charged":             {func(s shopOfOne) { s.c.world.charges = s.c.world.charges[1:] }, "o-ada is paid with 0 charges"},
		"charged too much":        {func(s shopOfOne) { s.c.world.charges[0].Amount = 6 }, "the ledger has a charge of 6"},
		"a charge of no order":    {func(s shopOfOne) { s.c.world.charges[0].OrderID = "x" }, "of order x, which does not exist"},
		"a charge payment forgot": {func(s shopOfOne) { delete(s.c.account.charges, "ch-ada") }, "payment does not know the charge"},
		"not refunded":            {func(s shopOfOne) { s.c.world.refunds = nil }, "o-bob is refunded with 1 charges and 0 refunds"},
		"refunded twice": {func(s shopOfOne) {
			s.c.world.refunds = append(s.c.world.refunds, harness.Entry{Kind: "refund", OrderID: "o-bob", Key: "rk2", Amount: 5})
		}, "o-bob is refunded with 1 charges and 2 refunds"},
		"a payment that never ends": {func(s shopOfOne) { s.event("order", "order.payment_requested", `{"order_id":"o-ada","attempt":2}`) }, "attempts without an end"},
		"oversold": {func(s shopOfOne) {
			s.event("inventory", "inventory.reserved", `{"sku":"cup","id":"r2","quantity":8,"expires_at":"2026-05-04T12:05:00Z"}`)
		}, "oversold"},
		"reserved twice":         {func(s shopOfOne) { s.event("inventory", "inventory.reserved", `{"sku":"cup","id":"r1","quantity":1}`) }, "was made twice"},
		"confirmed twice":        {func(s shopOfOne) { s.event("inventory", "inventory.confirmed", `{"sku":"cup","id":"r1","quantity":2}`) }, "became confirmed when it was"},
		"a reservation is lost":  {func(s shopOfOne) { delete(s.c.account.reserved, "cup|r1") }, "lost: reservation r1"},
		"a confirmation is lost": {func(s shopOfOne) { s.c.account.reserved["cup|r1"].status = lineExpired }, "confirm of reservation r1 of cup was accepted and it is expired"},
		"stock is shown wrong":   {func(s shopOfOne) { s.c.stock["cup"] = client.Stock{Received: 10, Available: 8, Sold: 2} }, "cup is shown as"},
		"a delivery is lost":     {func(s shopOfOne) { s.c.told.received["cup"] = 20 }, "received 20"},
		"a unit is stranded": {func(s shopOfOne) {
			s.event("inventory", "inventory.held", `{"id":"o-none","lines":[{"sku":"cup","quantity":1}],"expires_at":"2026-05-04T12:00:00Z"}`)
		}, "held for o-none, which was never placed"},
		"an order is stranded": {func(s shopOfOne) {
			s.c.account.orders["o-ada"].status = client.AwaitingPayment
			s.c.now = noon.Add(time.Hour)
		}, "o-ada awaits its payment"},
		"a paid order holds nothing": {func(s shopOfOne) { s.c.account.holds["o-ada"]["cup"].status = lineExpired }, "its hold of cup is expired"},
		"a notice is lost":           {func(s shopOfOne) { delete(s.c.world.arrived, "o-ada/order_paid/sms") }, "has not arrived"},
		"a notice is not sent":       {func(s shopOfOne) { s.c.account.messages["o-ada/order_paid/sms"].sent = false }, "is not sent"},
		"a notice is not made":       {func(s shopOfOne) { s.c.account.orders["o-bob"].wasPaid = true }, "0 of 2 notices order_paid of order o-bob"},
		"a notice of nobody's":       {func(s shopOfOne) { s.c.world.arrived["x"] = 1 }, "message x arrived"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShopOfOne(t)
			tc.lie(s)
			wrong := s.wrong()
			found := false
			for _, w := range wrong {
				found = found || strings.Contains(w, tc.want)
			}
			assert.True(t, found, "want %q among %q", tc.want, wrong)
		})
	}
}
