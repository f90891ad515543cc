package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/money"
)

// Methods of payment that the provider knows.
const (
	methodCard     = "card"
	methodDeclined = "card_declined" // is refused with 402
	methodSlow     = "card_slow"     // is taken after Config.Slow
)

// Kinds of entries in the ledger.
const (
	kindCharge   = "charge"
	kindDeclined = "declined"
	kindRefund   = "refund"
)

// Entry is one line of the ledger and, without the request's fingerprint, the answer about it.
type Entry struct {
	Kind        string    `json:"kind"`
	ID          string    `json:"id"`
	Key         string    `json:"idempotency_key"`
	OrderID     string    `json:"order_id"`
	Amount      int64     `json:"amount"` // minor units
	Currency    string    `json:"currency"`
	Method      string    `json:"method,omitzero"`
	ChargeID    string    `json:"charge_id,omitzero"`   // of a refund
	Fingerprint string    `json:"fingerprint,omitzero"` // of the request
	TraceID     string    `json:"trace_id,omitzero"`    // of the request: its X-Trace-Id
	At          time.Time `json:"at"`
}

// hash names an idempotency key in the index; ids are made of it, so that the index finds them too.
type hash [16]byte

func hashOf(kind, key string) hash {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return hash(sum[:16])
}

// provider is the payment provider.
type provider struct {
	book *book[Entry]
	now  func() time.Time
	slow func(context.Context)

	mu      sync.Mutex
	known   map[hash]int64 // idempotency key → offset in the book
	refunds map[hash]bool  // charges that were refunded
	busy    map[hash]chan struct{}
}

func openProvider(path string, now func() time.Time, slow func(context.Context)) (*provider, error) {
	p := &provider{
		now: now, slow: slow, known: map[hash]int64{}, refunds: map[hash]bool{}, busy: map[hash]chan struct{}{},
	}
	var err error
	p.book, err = openBook(path, func(offset int64, e Entry) error {
		p.index(offset, e)
		return nil
	})
	return p, err
}

// index notes an entry that is on disk.
func (p *provider) index(offset int64, e Entry) {
	kind := kindCharge
	if e.Kind == kindRefund {
		kind = kindRefund
		if h, ok := readID(chargePrefix, e.ChargeID); ok {
			p.refunds[h] = true
		}
	}
	p.known[hashOf(kind, e.Key)] = offset
}

// Prefixes of ids.
const (
	chargePrefix = "ch_"
	refundPrefix = "re_"
)

func readID(prefix, id string) (h hash, ok bool) {
	raw, err := hex.DecodeString(strings.TrimPrefix(id, prefix))
	if err != nil || len(raw) != len(h) || !strings.HasPrefix(id, prefix) {
		return h, false
	}
	return hash(raw), true
}

// enter makes sure that one request at a time works on each name; leave lets the next one in.
func (p *provider) enter(ctx context.Context, h hash) (leave func(), err error) {
	for {
		p.mu.Lock()
		other, taken := p.busy[h]
		if !taken {
			mine := make(chan struct{})
			p.busy[h] = mine
			p.mu.Unlock()
			return func() {
				p.mu.Lock()
				delete(p.busy, h)
				p.mu.Unlock()
				close(mine)
			}, nil
		}
		p.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, errs.OutcomeUnknown(ctx.Err())
		}
	}
}

// find gives the entry under a name.
func (p *provider) find(h hash) (Entry, bool, error) {
	p.mu.Lock()
	offset, ok := p.known[h]
	p.mu.Unlock()
	if !ok {
		return Entry{}, false, nil
	}
	e, _, err := p.book.read(offset)
	return e, true, err
}

// write puts an entry on disk and then into the index.
func (p *provider) write(e Entry) error {
	offset, err := p.book.append(e)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index(offset, e)
	return nil
}

// chargeBody is the body of POST /charges.
type chargeBody struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Method   string `json:"method"`
	OrderID  string `json:"order_id"`
}

// refundBody is the body of POST /refunds.
type refundBody struct {
	ChargeID string `json:"charge_id"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	OrderID  string `json:"order_id"`
}

func (p *provider) postCharge(c echo.Context) error {
	var body chargeBody
	return p.once(c, kindCharge, &body, func(ctx context.Context, e Entry) (Entry, error) {
		e.ID = chargePrefix + e.ID
		e.OrderID, e.Amount, e.Currency, e.Method = body.OrderID, body.Amount, body.Currency, body.Method
		if err := (money.Money{Amount: body.Amount, Currency: body.Currency}).Validate(); err != nil {
			return e, errs.InvalidField("/amount", "%s", err)
		}
		switch body.Method {
		case methodDeclined:
			e.Kind = kindDeclined
		case methodSlow:
			p.slow(ctx)
		case methodCard:
		default:
			return e, errs.New(errs.Unprocessable, "unknown_method", "the method must be card, card_declined or card_slow")
		}
		return e, p.write(e)
	})
}

func (p *provider) postRefund(c echo.Context) error {
	var body refundBody
	return p.once(c, kindRefund, &body, func(ctx context.Context, e Entry) (Entry, error) {
		e.ID = refundPrefix + e.ID
		e.OrderID, e.Amount, e.Currency, e.ChargeID = body.OrderID, body.Amount, body.Currency, body.ChargeID
		h, _ := readID(chargePrefix, body.ChargeID)
		// Two refunds of one charge under different keys must not both be made.
		leave, err := p.enter(ctx, hashOf("refunding", body.ChargeID))
		if err != nil {
			return e, err
		}
		defer leave()
		charged, ok, err := p.find(h)
		switch {
		case err != nil:
			return e, err
		case !ok || charged.Kind != kindCharge:
			return e, errs.New(errs.NotFound, "unknown_charge", "there is no such charge")
		case charged.Amount != body.Amount || charged.Currency != body.Currency:
			return e, errs.New(errs.Unprocessable, "wrong_amount", "a refund is of the whole charge")
		}
		p.mu.Lock()
		again := p.refunds[h]
		p.mu.Unlock()
		if again {
			return e, errs.New(errs.Unprocessable, "already_refunded", "the charge was refunded under another key")
		}
		return e, p.write(e)
	})
}

// once does what the request asks for, unless its key has an entry: then that is the answer again. do completes the
// entry and writes it.
func (p *provider) once(c echo.Context, kind string, body any, do func(context.Context, Entry) (Entry, error)) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := httpx.Decode(c, body); err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, h := c.Request().Context(), hashOf(kind, key)
	fingerprint := hex.EncodeToString(hashBytes(text))
	leave, err := p.enter(ctx, h)
	if err != nil {
		return err
	}
	defer leave()
	if e, ok, err := p.find(h); err != nil || ok {
		switch {
		case err != nil:
			return err
		case e.Fingerprint != fingerprint:
			return errs.New(errs.Conflict, "idempotency_key_reused", "this key was used for another request")
		}
		return answer(c, e, http.StatusOK)
	}
	e := Entry{Kind: kind, ID: hex.EncodeToString(h[:]), Key: key, Fingerprint: fingerprint, TraceID: traceID(c), At: p.now().UTC()}
	if e, err = do(ctx, e); err != nil {
		return err
	}
	return answer(c, e, http.StatusCreated)
}

func hashBytes(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:16]
}

// answer says what the ledger says; a declined charge is a 402.
func answer(c echo.Context, e Entry, status int) error {
	if e.Kind == kindDeclined {
		return c.JSON(http.StatusPaymentRequired, map[string]string{
			"code": "card_declined", "message": "the card was declined", "order_id": e.OrderID,
		})
	}
	e.Fingerprint = ""
	return c.JSON(status, e)
}

// maxTraceIDBytes bounds what is kept of a sender's trace id.
const maxTraceIDBytes = 64

// traceID is what the sender says; it is kept for people and means nothing here.
func traceID(c echo.Context) string {
	id := c.Request().Header.Get(httpx.HeaderTraceID)
	return text([]byte(id[:min(len(id), maxTraceIDBytes)]))
}

// maxKeyBytes bounds an Idempotency-Key.
const maxKeyBytes = 200

func idempotencyKey(c echo.Context) (string, error) {
	key := c.Request().Header.Get("Idempotency-Key")
	if key == "" || len(key) > maxKeyBytes {
		return "", errs.InvalidField("Idempotency-Key", "must be given, with at most %d bytes", maxKeyBytes)
	}
	return key, nil
}
