package order

import (
	"context"
	"net/http"
	"time"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// releaseWithin bounds letting go of a hold that no order will come of.
const releaseWithin = 2 * time.Second

// place holds the stock and records the order. Two requests with the same key at the same moment both come here:
// inventory gives both the same hold if they ask for the same lines (and refuses the second if not), and the journal
// records one of them, whose answer both get if their bodies are the same.
// r names the customer; the order is of that customer in the tenant of who asks.
func (s *Service) place(ctx context.Context, by identity.Caller, key string, r orderapi.PlaceRequest) (placement, error) {
	if by.Tenant != "" && s.beside() {
		return placement{}, refuseTenant()
	}
	print := fingerprint(r)
	id, other := s.orderIDs(by, key)
	there, err := s.glance(ctx, id) // saves asking inventory; the journal decides
	if there == nil && err == nil {
		there, err = s.placedOtherwise(ctx, by, other, print)
	}
	switch {
	case err != nil:
		return placement{}, err
	case there != nil && (there.Fingerprint != print || there.Tenant != by.Tenant):
		return placement{}, refuseReusedKey()
	case there != nil:
		return placement{Order: asPlaced(*there), Replayed: true}, nil
	}
	hold, err := s.hold(ctx, id, r)
	if err != nil {
		return placement{}, err
	}
	cmd := placeOrder{
		OrderID: id, Fingerprint: print, Customer: r.Customer, Tenant: by.Tenant, Contact: r.Contact,
		PayWithin: s.cfg.PayWithin, PayBefore: hold.ExpiresAt.Add(-s.cfg.holdMargin()),
	}
	if cmd.Lines, cmd.Total, err = priced(hold); err != nil {
		s.release(ctx, id, hold)
		return placement{}, err
	}
	result, err := s.journal.Do(ctx, id, cmd)
	if err != nil {
		return placement{}, err
	}
	return result.Answer.(placement), nil
}

// beside tells whether replicas of the release before accounts may run beside this one.
func (s *Service) beside() bool { return s.cfg.Journal.SegmentVersion == journal.SegmentVersion }

// orderIDs gives the id of the caller's order with the key, and the other one that replicas beside this one, or this one before a
// change of its settings, may have given it. Beside replicas of the release before accounts, which know no callers, the id is the one
// that they give it, or a repeat that reaches another replica would be another order: ADR 14.
func (s *Service) orderIDs(by identity.Caller, key string) (id, other string) {
	id, other = orderID(by.Owner(), key), orderID(identity.Owner{}, key)
	if s.beside() {
		return other, id
	}
	return id, other
}

// placedOtherwise finds the order of a request that was given its other id: made before there were accounts and repeated now that there
// are, or the other way round at a replica that still names orders as it was done before. nil without an error says that there is
// none that the caller may see.
func (s *Service) placedOtherwise(ctx context.Context, by identity.Caller, other, print string) (*orderapi.Order, error) {
	if !by.Known() {
		return nil, nil // its orders are named as they always were
	}
	o, err := s.glance(ctx, other)
	if o == nil || err != nil || o.Fingerprint != print || !ownerOf(o).Admits(by) {
		return nil, err
	}
	return o, nil
}

// hold asks inventory to set every line aside under the order's id, or none of them.
func (s *Service) hold(ctx context.Context, id string, r orderapi.PlaceRequest) (*inventoryapi.Hold, error) {
	seconds := int64((s.cfg.PayWithin + s.cfg.holdMargin() + time.Second - 1) / time.Second)
	ask := inventoryapi.HoldRequest{ID: id, HoldSeconds: seconds, Lines: make([]inventoryapi.HoldLine, len(r.Lines))}
	for i, l := range r.Lines {
		ask.Lines[i] = inventoryapi.HoldLine(l)
	}
	hold, err := s.holds.hold(ctx, ask)
	if err == nil {
		return hold, nil
	}
	e := errs.From(err)
	switch e.Code {
	case inventoryapi.CodeSoldOut, inventoryapi.CodeUnknownSKU:
		return nil, err
	case inventoryapi.CodeIDReused:
		return nil, refuseReusedKey()
	}
	if e.Kind == errs.Unavailable || e.Kind == errs.TooMany {
		return nil, err
	}
	// Whatever else inventory has against the request is a misunderstanding between us and not the caller's fault.
	return nil, errs.New(errs.Internal, errs.CodeInternal, "something went wrong on our side").Wrap(err)
}

// release lets go of a hold that no order will come of. If it fails, the hold expires by itself.
func (s *Service) release(ctx context.Context, id string, hold *inventoryapi.Hold) {
	ctx, cancel := context.WithTimeout(ctx, releaseWithin)
	defer cancel()
	var ask inventoryapi.ReleaseRequest
	for _, l := range hold.Lines {
		ask.SKUs = append(ask.SKUs, l.SKU)
	}
	if err := httpx.Call(ctx, s.deps.Client, http.MethodPost, holdsURL+"/"+id+"/release", ask, nil); err != nil {
		s.deps.Log.WarnContext(ctx, "a hold was not released; it will expire", "order_id", id, "error", err)
	}
}

// priced turns a hold into the lines and the total of an order.
func priced(hold *inventoryapi.Hold) ([]orderapi.Line, money.Money, error) {
	lines := make([]orderapi.Line, len(hold.Lines))
	var total money.Money
	for i, l := range hold.Lines {
		lines[i] = orderapi.Line{SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: l.UnitPrice}
		if l.UnitPrice.Currency != hold.Lines[0].UnitPrice.Currency {
			return nil, total, errs.Newf(errs.Unprocessable, orderapi.CodeMixedCurrencies,
				"an order has one currency, but %s is sold in %s and %s in %s", hold.Lines[0].SKU,
				hold.Lines[0].UnitPrice.Currency, l.SKU, l.UnitPrice.Currency)
		}
		sum, err := l.UnitPrice.Mul(l.Quantity)
		if err == nil {
			total, err = total.Add(sum)
		}
		if err != nil {
			return nil, total, errs.New(errs.Unprocessable, orderapi.CodeTotalTooLarge, "the order's total is too large").Wrap(err)
		}
	}
	return lines, total, nil
}
