package inventory

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// TestAnyHistoryConservesStock runs random commands, repeats, passing time and restarts. shard.check holds after
// each one; what is checked here is that repeats get their first answer and that replaying the log gives the state.
func TestAnyHistoryConservesStock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShard(t)
		start := s.at
		type given struct {
			cmd    journal.Command
			answer any
			at     time.Time
		}
		var answered []given
		type applied struct {
			at    journal.At
			event journal.Event
		}
		var history []applied
		run := func(cmd journal.Command) {
			known := len(s.log)
			answer, err := s.do(cmd)
			for _, e := range s.log[known:] {
				history = append(history, applied{s.at, e})
			}
			if err == nil && len(s.log) > known { // the window runs from what was written
				answered = append(answered, given{cmd, answer, s.at.Time})
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"command": func(t *rapid.T) { run(command().Draw(t, "command")) },
			"time": func(t *rapid.T) {
				s.pass(time.Duration(rapid.Int64Range(0, int64(2*time.Minute)).Draw(t, "pass")))
			},
			"a day":   func(*rapid.T) { s.pass(rememberFor / 2) },
			"a while": func(*rapid.T) { s.pass(rememberHoldsFor / 2) },
			"restart": func(*rapid.T) { s.reload() },
			"another request for a hold": func(t *rapid.T) {
				var held []HoldLines
				for _, g := range answered {
					if c, ok := g.cmd.(HoldLines); ok {
						held = append(held, c)
					}
				}
				if len(held) == 0 {
					t.Skip("nothing was held yet")
				}
				c := rapid.SampledFrom(held).Draw(t, "hold")
				c.Claim = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "claim")
				h, ok := s.state.hold(c.ID)
				run(c)
				if ok && !h.over() && h.Fingerprint == c.Fingerprint {
					after, _ := s.state.hold(c.ID)
					require.Equal(t, h.Lines, after.Lines, "a standing hold is not made anew")
				}
			},
			"repeat": func(t *rapid.T) {
				if len(answered) == 0 {
					t.Skip("nothing was answered yet")
				}
				g := rapid.SampledFrom(answered).Draw(t, "repeated")
				age := s.at.Time.Sub(g.at)
				switch g.cmd.(type) {
				case AddStock, Reserve:
					if age <= rememberFor {
						require.Equal(t, g.answer, s.silent(g.cmd))
					}
				case ConfirmHold:
					if age <= rememberHoldsFor {
						s.silent(g.cmd)
					}
				}
			},
		})
		replayed := newState()
		for _, a := range history {
			apply(replayed, a.at, a.event)
		}
		live := s.dump()
		s.state, s.at = replayed, start
		require.Equal(t, live, s.dump(), "the log does not give the state")
	})
}

func command() *rapid.Generator[journal.Command] {
	return rapid.Custom(func(t *rapid.T) journal.Command {
		sku := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "sku")
		id := rapid.SampledFrom([]string{"1", "2", "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000A"}).Draw(t, "id")
		quantity := rapid.Int64Range(1, 4).Draw(t, "quantity")
		seconds := rapid.Int64Range(1, 3).Draw(t, "minutes") * 60
		switch rapid.IntRange(0, 10).Draw(t, "kind") {
		case 0, 1:
			return PutItem{SKU: sku, Title: fmt.Sprint("T", quantity), Price: eur(quantity), Quantity: quantity * 2}
		case 2:
			return AddStock{SKU: sku, ID: id, Quantity: quantity}
		case 3, 4:
			return Reserve{SKU: sku, ID: id, Quantity: quantity, HoldSeconds: seconds}
		case 5:
			return Confirm{sku, id}
		case 6:
			return Release{sku, id}
		case 7:
			far := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
			return rapid.SampledFrom([]Expire{{ReservationsUntil: far}, {HoldsUntil: far}, {far, far}}).Draw(t, "expire")
		case 8:
			ls := []inventoryapi.HoldLine{{SKU: sku, Quantity: quantity}}
			if rapid.Bool().Draw(t, "two lines") && sku != "c" {
				ls = append(ls, inventoryapi.HoldLine{SKU: "c", Quantity: 1})
			}
			claim := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "claim")
			return HoldLines{ID: id, Fingerprint: fmt.Sprint(ls), Claim: claim, Lines: ls, HoldSeconds: seconds}
		case 9:
			if rapid.Bool().Draw(t, "drop") {
				return DropHold{ID: id, Claim: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "claim"), All: quantity == 4}
			}
			return ReleaseHold{OrderID: id, SKU: sku}
		}
		return ConfirmHold{OrderID: id, SKU: sku, Quantity: quantity}
	})
}
