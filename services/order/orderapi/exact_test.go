package orderapi_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// TestPlacedIsExact tries any text, quantity and time.
func TestPlacedIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.String().Draw(t, name) }
		at := func(name string) time.Time { return time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, name)).UTC() }
		price := func() money.Money {
			return money.Money{Amount: rapid.Int64().Draw(t, "amount"), Currency: text("currency")}
		}
		lines := make([]orderapi.Line, rapid.IntRange(0, 3).Draw(t, "lines"))
		for i := range lines {
			lines[i] = orderapi.Line{SKU: text("sku"), Title: text("title"), Quantity: rapid.Int64().Draw(t, "quantity"), UnitPrice: price()}
		}
		journaltest.RequireExact(t, orderapi.Types(), orderapi.Placed{
			OrderID: text("order"), Fingerprint: text("fingerprint"), Customer: text("customer"), Tenant: text("tenant"),
			Contact: orderapi.Contact{Email: text("email"), Phone: text("phone")}, Lines: lines, Total: price(), PayBy: at("pay by"), PlacedAt: at("placed at"),
		})
	})
}
