package orderapi_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// drawn draws the parts of an order: any text, quantity and time.
type drawn struct{ *rapid.T }

func (d drawn) text(name string) string { return rapid.String().Draw(d.T, name) }

func (d drawn) at(name string) time.Time {
	return time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(d.T, name)).UTC()
}

func (d drawn) price() money.Money {
	return money.Money{Amount: rapid.Int64().Draw(d.T, "amount"), Currency: d.text("currency")}
}

func (d drawn) contact() orderapi.Contact {
	return orderapi.Contact{Email: d.text("email"), Phone: d.text("phone")}
}

func (d drawn) lines() []orderapi.Line {
	lines := make([]orderapi.Line, rapid.IntRange(0, 3).Draw(d.T, "lines"))
	for i := range lines {
		lines[i] = orderapi.Line{SKU: d.text("sku"), Title: d.text("title"), Quantity: rapid.Int64().Draw(d.T, "quantity"), UnitPrice: d.price()}
	}
	return lines
}

func TestPlacedIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawn{t}
		journaltest.RequireExact(t, orderapi.Types(), orderapi.Placed{
			OrderID: d.text("order"), Fingerprint: d.text("fingerprint"), Customer: d.text("customer"), Tenant: d.text("tenant"),
			Contact: d.contact(), Lines: d.lines(), Total: d.price(), PayBy: d.at("pay by"), PlacedAt: d.at("placed at"),
		})
	})
}

func TestOrdersAppendWhatWouldBeEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawn{t}
		order := &orderapi.Order{
			ID: d.text("id"), Seq: rapid.Uint64().Draw(t, "seq"), Fingerprint: d.text("fingerprint"), Status: d.text("status"),
			Customer: d.text("customer"), Tenant: d.text("tenant"), Contact: d.contact(), Lines: d.lines(), Total: d.price(),
			PayBy: d.at("pay by"), PlacedAt: d.at("placed at"), ChangedAt: d.at("changed at"), CancelReason: d.text("cancel reason"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "charges") {
			order.Charges = append(order.Charges, orderapi.Charge{
				Attempt: rapid.Int().Draw(t, "attempt"), Method: d.text("method"), Status: d.text("status"),
				ChargeID: d.text("charge"), Reason: d.text("reason"), RefundReason: d.text("refund reason"),
			})
		}
		journaltest.RequireAppends(t, order)
		journaltest.RequireAppends(t, order.Answer())
	})
}
