package inventory

import (
	"fmt"
	"slices"
	"time"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// decide answers a command from s and says what happens by it. Every branch without events is a repeat or changes
// nothing.
func decide(s *State, at journal.At, cmd journal.Command) (any, []journal.Event, error) {
	switch c := cmd.(type) {
	case PutItem:
		return decidePut(s, c)
	case AddStock:
		return decideAddStock(s, c)
	case Reserve:
		return decideReserve(s, at, c)
	case Confirm:
		return decideConfirm(s, at, c)
	case Release:
		return decideRelease(s, at, c)
	case Expire:
		return decideExpire(s, at, c)
	case HoldLines:
		return decideHoldLines(s, at, c)
	case CheckLines:
		return nil, nil, refusal(s, c.Lines)
	case DropHold:
		return decideDropHold(s, c)
	case ConfirmHold:
		return decideConfirmHold(s, c)
	case ReleaseHold:
		return decideReleaseHold(s, c)
	}
	return nil, nil, fmt.Errorf("inventory: unknown command %T", cmd)
}

func decidePut(s *State, c PutItem) (any, []journal.Event, error) {
	item := s.Item(c.SKU)
	if item == nil {
		e := inventoryapi.ItemCreated(c)
		return PutAnswer{Item: created(e), Created: true}, []journal.Event{e}, nil
	}
	if item.Title == c.Title && item.Price == c.Price {
		unchanged := *item // by this command: a later one of the batch may move it
		return PutAnswer{Item: &unchanged}, nil, nil
	}
	e := inventoryapi.ItemChanged{SKU: c.SKU, Title: c.Title, Price: c.Price}
	return PutAnswer{Item: item.changed(e)}, []journal.Event{e}, nil
}

func decideAddStock(s *State, c AddStock) (any, []journal.Event, error) {
	item := s.Item(c.SKU)
	if item == nil {
		return nil, nil, unknownSKU(c.SKU)
	}
	if first, ok := s.restocks.Get(pairKey(c.SKU, c.ID)); ok {
		if first.Quantity != c.Quantity {
			return nil, nil, idReused("a restock of another quantity")
		}
		answer := first.Item
		return &answer, nil, nil
	}
	if c.Quantity > maxReceivedUnits-item.Received {
		return nil, nil, errs.Newf(errs.Unprocessable, inventoryapi.CodeStockLimit,
			"a SKU can receive %d units over its life; %q has received %d", int64(maxReceivedUnits), c.SKU, item.Received)
	}
	e := inventoryapi.Restocked(c)
	answer := item.moved(c.Quantity, c.Quantity, 0, 0)
	return &answer, []journal.Event{e}, nil
}

func decideReserve(s *State, at journal.At, c Reserve) (any, []journal.Event, error) {
	item := s.Item(c.SKU)
	if item == nil {
		return nil, nil, unknownSKU(c.SKU)
	}
	if first, ok := s.reservation(c.SKU, c.ID); ok {
		if first.Quantity != c.Quantity || first.HoldSeconds != c.HoldSeconds {
			return nil, nil, idReused("another reservation of this SKU")
		}
		return first.withStatus(StatusReserved, time.Time{}), nil, nil
	}
	if item.Available < c.Quantity {
		soldOut := errs.Newf(errs.Conflict, inventoryapi.CodeSoldOut, "%d of %q asked for, %d available", c.Quantity, c.SKU, item.Available)
		soldOut.Extra = map[string]any{"sku": c.SKU, "requested": c.Quantity, "available": item.Available}
		return nil, nil, soldOut
	}
	e := inventoryapi.Reserved{SKU: c.SKU, ID: c.ID, Quantity: c.Quantity, HoldSeconds: c.HoldSeconds,
		ExpiresAt: expiry(at, c.HoldSeconds)}
	r := reserved(e)
	return &r, []journal.Event{e}, nil
}

func decideConfirm(s *State, at journal.At, c Confirm) (any, []journal.Event, error) {
	r, err := standing(s, at, c.SKU, c.ID)
	if err != nil {
		return nil, nil, err
	}
	e := inventoryapi.Confirmed{SKU: c.SKU, ID: c.ID, Quantity: r.Quantity}
	return r.withStatus(StatusConfirmed, at.Time), []journal.Event{e}, nil
}

func decideRelease(s *State, at journal.At, c Release) (any, []journal.Event, error) {
	r, err := standing(s, at, c.SKU, c.ID)
	if err != nil {
		return nil, nil, err
	}
	e := inventoryapi.Released{SKU: c.SKU, ID: c.ID, Quantity: r.Quantity}
	return r.withStatus(StatusReleased, at.Time), []journal.Event{e}, nil
}

// standing finds a reservation that can still be resolved. One whose time is over counts as expired even before
// Expire has come by: its holder must not depend on how quick we are.
func standing(s *State, at journal.At, sku, id string) (r Reservation, err error) {
	if s.Item(sku) == nil {
		return r, unknownSKU(sku)
	}
	r, ok := s.reservation(sku, id)
	if !ok {
		return r, errs.Newf(errs.NotFound, inventoryapi.CodeUnknownReservation, "%q has no reservation %q", sku, id)
	}
	switch {
	case r.Status == StatusConfirmed:
		return r, errs.Newf(errs.Conflict, inventoryapi.CodeAlreadyConfirmed, "the reservation %q was confirmed", id)
	case r.Status == StatusReleased:
		return r, errs.Newf(errs.Conflict, inventoryapi.CodeAlreadyReleased, "the reservation %q was released", id)
	case r.Status == StatusExpired || !at.Time.Before(r.ExpiresAt):
		return r, errs.Newf(errs.Conflict, inventoryapi.CodeReservationExpired, "the reservation %q expired", id).
			With("expired_at", r.ExpiresAt)
	}
	return r, nil
}

func decideExpire(s *State, at journal.At, c Expire) (any, []journal.Event, error) {
	var events []journal.Event
	reservations, more := s.dueReservations(earlier(c.ReservationsUntil, at.Time), inventoryapi.MaxExpiredPerEvent)
	if len(reservations) > 0 {
		e := inventoryapi.Expired{}
		for _, r := range reservations {
			e.Reservations = append(e.Reservations, inventoryapi.ReservationRef{SKU: r.SKU, ID: r.ID, Quantity: r.Quantity})
		}
		events = append(events, e)
	}
	holds, moreHolds := s.dueHolds(earlier(c.HoldsUntil, at.Time), inventoryapi.MaxExpiredPerEvent)
	if len(holds) > 0 {
		events = append(events, inventoryapi.HoldsExpired{IDs: holds})
	}
	return more || moreHolds, events, nil
}

func decideHoldLines(s *State, at journal.At, c HoldLines) (any, []journal.Event, error) {
	if h, ok := s.hold(c.ID); ok {
		if h.Fingerprint != c.Fingerprint {
			return nil, nil, idReused("a hold of other lines")
		}
		if !h.over() {
			return decideClaim(h, c.Claim)
		}
		// It expired before an order came of it: the caller asks again and gets new stock, if there is any.
	}
	if err := refusal(s, c.Lines); err != nil {
		return nil, nil, err
	}
	e := inventoryapi.Held{ID: c.ID, Fingerprint: c.Fingerprint, Claim: c.Claim, ExpiresAt: expiry(at, c.HoldSeconds)}
	for _, l := range c.Lines {
		item := s.Item(l.SKU)
		e.Lines = append(e.Lines, inventoryapi.HeldLine{SKU: l.SKU, Title: item.Title, Quantity: l.Quantity, UnitPrice: item.Price})
	}
	return held(e), []journal.Event{e}, nil
}

// decideClaim adds a request to those that rely on a hold, unless the hold is settled: then nobody can drop it.
func decideClaim(h *Hold, claim string) (any, []journal.Event, error) {
	if slices.Contains(h.Claims, claim) || !h.any(StatusReserved) {
		return h, nil, nil
	}
	if len(h.Claims) >= maxClaims {
		e := errs.New(errs.Unavailable, inventoryapi.CodeHoldContended, "too many requests for one order; try again shortly")
		e.RetryAfter = time.Second
		return nil, nil, e
	}
	return h, []journal.Event{inventoryapi.HoldClaimed{ID: h.ID, Claim: claim}}, nil
}

// refusal names every SKU that does not exist or is short; nil when all lines can be held.
func refusal(s *State, lines []inventoryapi.HoldLine) error {
	var unknown []string
	var short []inventoryapi.Shortage
	for _, l := range lines {
		switch item := s.Item(l.SKU); {
		case item == nil:
			unknown = append(unknown, l.SKU)
		case item.Available < l.Quantity:
			short = append(short, inventoryapi.Shortage{SKU: l.SKU, Requested: l.Quantity, Available: item.Available})
		}
	}
	return refuseLines(unknown, short)
}

func decideDropHold(s *State, c DropHold) (any, []journal.Event, error) {
	h, ok := s.hold(c.ID)
	switch {
	case !ok || h.over() || h.any(StatusConfirmed, StatusReleased, StatusLost):
		return nil, nil, nil
	case c.All:
		return nil, []journal.Event{inventoryapi.HoldDropped{ID: c.ID, Gone: true}}, nil
	case !slices.Contains(h.Claims, c.Claim):
		return nil, nil, nil
	}
	return nil, []journal.Event{inventoryapi.HoldDropped{ID: c.ID, Claim: c.Claim, Gone: len(h.Claims) == 1}}, nil
}

func decideConfirmHold(s *State, c ConfirmHold) (any, []journal.Event, error) {
	var fromReserved, available int64
	if h, ok := s.hold(c.OrderID); ok {
		if i := h.line(c.SKU); i >= 0 {
			switch h.Lines[i].Status {
			case StatusReserved:
				fromReserved = h.Lines[i].Quantity
			case StatusConfirmed, StatusReleased, StatusLost:
				return nil, nil, nil
			}
		}
	}
	if item := s.Item(c.SKU); item != nil {
		available = item.Available
	}
	if fromReserved+available < c.Quantity {
		return nil, []journal.Event{inventoryapi.HoldLost{OrderID: c.OrderID, SKUs: []string{c.SKU}}}, nil
	}
	return nil, []journal.Event{inventoryapi.HoldConfirmed{OrderID: c.OrderID, SKU: c.SKU, Quantity: c.Quantity,
		FromReserved: fromReserved}}, nil
}

func decideReleaseHold(s *State, c ReleaseHold) (any, []journal.Event, error) {
	h, ok := s.hold(c.OrderID)
	if !ok {
		return nil, nil, nil
	}
	e := inventoryapi.HoldReleased{OrderID: c.OrderID, SKU: c.SKU}
	i := h.line(c.SKU)
	switch {
	case i >= 0 && h.Lines[i].Status == StatusReserved:
		e.FromReserved = h.Lines[i].Quantity
	case i >= 0 && h.Lines[i].Status == StatusConfirmed:
		e.FromSold = h.Lines[i].Quantity
	default:
		return nil, nil, nil
	}
	return nil, []journal.Event{e}, nil
}

// expiry is the end of a hold made now, to the millisecond like the indexes.
func expiry(at journal.At, holdSeconds int64) time.Time {
	return at.Time.Add(time.Duration(holdSeconds) * time.Second).UTC().Truncate(time.Millisecond)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
