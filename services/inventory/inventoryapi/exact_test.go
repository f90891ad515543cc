package inventoryapi_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/money"
)

// TestEventsThatWriteThemselvesAreExact tries any text, quantity and time.
func TestEventsThatWriteThemselvesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, number := rapid.String(), rapid.Int64()
		at := time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, "at")).UTC()
		lines := make([]inventoryapi.HeldLine, rapid.IntRange(0, 3).Draw(t, "lines"))
		for i := range lines {
			lines[i] = inventoryapi.HeldLine{SKU: text.Draw(t, "sku"), Title: text.Draw(t, "title"), Quantity: number.Draw(t, "quantity"),
				UnitPrice: money.Money{Amount: number.Draw(t, "amount"), Currency: text.Draw(t, "currency")}}
		}
		journaltest.RequireExact(t, inventoryapi.Types(), inventoryapi.Reserved{SKU: text.Draw(t, "sku"), ID: text.Draw(t, "id"),
			Quantity: number.Draw(t, "quantity"), HoldSeconds: number.Draw(t, "hold"), ExpiresAt: at})
		journaltest.RequireExact(t, inventoryapi.Types(), inventoryapi.Held{ID: text.Draw(t, "id"), Fingerprint: text.Draw(t, "fingerprint"),
			Claim: text.Draw(t, "claim"), Lines: lines, ExpiresAt: at})
		answer := inventoryapi.HoldsAnswer{Results: make([]inventoryapi.HoldResult, rapid.IntRange(0, 3).Draw(t, "results"))}
		for i := range answer.Results {
			if rapid.Bool().Draw(t, "held") {
				answer.Results[i].Hold = &inventoryapi.Hold{ID: text.Draw(t, "id"), Lines: lines, ExpiresAt: at}
			}
			if rapid.Bool().Draw(t, "refused") {
				answer.Results[i].Refusal = &inventoryapi.Refusal{Status: 409, Code: text.Draw(t, "code"), UnknownSKUs: []string{text.Draw(t, "sku")}}
			}
		}
		journaltest.RequireAppends(t, answer)
	})
}

// TestTextThatIsNotUTF8IsAnError is no way to write what cannot be read.
func TestTextThatIsNotUTF8IsAnError(t *testing.T) {
	_, err := inventoryapi.Reserved{SKU: "a", ID: "\xff"}.AppendJSON(nil)
	require.Error(t, err)
	_, err = inventoryapi.Held{ID: "o", Lines: []inventoryapi.HeldLine{{SKU: "a", Title: "\xff"}}}.AppendJSON(nil)
	require.Error(t, err)
}
