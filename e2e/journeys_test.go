package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/client"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/e2e/token"
)

// stocked puts quantity of a new SKU on sale and gives its name.
func stocked(t *testing.T, s *harness.Shop, quantity int64) string {
	t.Helper()
	sku := "sku-" + uuid.NewString()[:8]
	_, created, err := s.Put(t.Context(), sku, client.Product{
		Title: "A thing", Price: client.Money{Amount: 1990, Currency: "EUR"}, Quantity: quantity,
	})
	require.NoError(t, err)
	require.True(t, created)
	return sku
}

// basket is an order of quantity of a SKU.
func basket(sku string, quantity int64) client.NewOrder {
	return client.NewOrder{
		Customer: "ada",
		Contact:  client.Contact{Email: "ada@example.com", Phone: "+4915112345678"},
		Lines:    []client.Line{{SKU: sku, Quantity: quantity}},
	}
}

// placed places such an order.
func placed(t *testing.T, s *harness.Shop, sku string, quantity int64) client.Order {
	t.Helper()
	o, err := s.For("ada").Place(t.Context(), uuid.NewString(), basket(sku, quantity))
	require.NoError(t, err)
	require.Equal(t, client.AwaitingPayment, o.Status)
	return o
}

// journeys do not disturb each other: one shop is enough for all.
var journeys = []struct {
	name string
	run  func(*testing.T, *harness.Shop)
}{
	{"buy and pay", buyAndPay},
	{"as a customer who signed up", signedUp},
	{"sold out", soldOut},
	{"sold out names each SKU and holds nothing", soldOutNamesEach},
	{"two buyers of the last unit", lastUnit},
	{"same key twice", sameKeyTwice},
	{"same key at the same moment", sameKeyAtOnce},
	{"cancel", cancelled},
	{"declined, then paid", declinedThenPaid},
	{"payment after cancel is refunded", paidAfterCancel},
	{"reservations", reservations},
	{"a hold expires", holdExpires},
	{"restock", restock},
	{"lists have pages", lists},
}

// goThrough runs every journey in a shop and gives how many passed.
func goThrough(t *testing.T, s *harness.Shop) (passed int) {
	t.Helper()
	for _, j := range journeys {
		if t.Run(j.name, func(t *testing.T) { j.run(t, s) }) {
			passed++
		}
	}
	return passed
}

// TestJourneys runs the journeys in one shop a placement.
func TestJourneys(t *testing.T) {
	harness.EachAndReplicas(t, func(t *testing.T, p harness.Placement) { goThrough(t, harness.Open(t, p)) })
}

func buyAndPay(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 10)
	o := placed(t, s, sku, 2)
	assert.Equal(t, client.Money{Amount: 2 * 1990, Currency: "EUR"}, o.Total)
	require.NoError(t, s.Pay(t.Context(), o.ID, "card"))
	becomes(t, s, o.ID, client.Paid)
	audit(t, s, []string{sku}, []string{o.ID})

	var told []client.Notification
	harness.Eventually(t, "the customer was told by e-mail and SMS that the order is paid", 0, func() error {
		l, err := s.Notifications(t.Context(), o.ID)
		if err != nil {
			return err
		}
		told = l.Items
		sent := 0
		for _, n := range told {
			if n.Template == "order_paid" && n.Status == "sent" {
				sent++
			}
		}
		if sent != 2 {
			return fmt.Errorf("told so far: %+v", told)
		}
		return nil
	})
	mail, err := s.Sandbox.Mail(t.Context())
	require.NoError(t, err)
	sms, err := s.Sandbox.SMS(t.Context())
	require.NoError(t, err)
	arrived := map[string]int{}
	for _, m := range mail {
		arrived[m.MessageID]++
	}
	for _, m := range sms {
		arrived[m.ID]++
	}
	for _, n := range told {
		if n.Status == "sent" {
			assert.Equal(t, 1, arrived[n.MessageID], "arrivals of %+v", n)
		}
	}
}

// signedUp buys with nothing but what the shop itself gave: an account and the token of a sign-in. Others are told nothing of it.
func signedUp(t *testing.T, s *harness.Shop) {
	sku, ctx := stocked(t, s, 3), t.Context()
	who := map[string]string{"email": uuid.NewString() + "@example.com", "password": "seven green parakeets"}
	nobody := s.As(nil)
	a, err := nobody.Do(ctx, http.MethodPost, "/v1/accounts", http.Header{"Idempotency-Key": {uuid.NewString()}}, who)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	a, err = nobody.Do(ctx, http.MethodPost, "/v1/accounts/sessions", nil, who)
	require.NoError(t, err)
	require.Less(t, a.Status, http.StatusMultipleChoices, "%s", a.Body)
	var session struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, a.Into(&session))
	me := s.As(token.Given(session.AccessToken))

	key, mine := uuid.NewString(), basket(sku, 1)
	mine.Customer = ""
	o, err := me.Place(ctx, key, mine)
	require.NoError(t, err)
	again, err := me.Place(ctx, key, mine)
	require.NoError(t, err)
	assert.Equal(t, o.ID, again.ID)
	own, err := me.Orders(ctx, "", "", 10)
	require.NoError(t, err)
	require.Len(t, own.Items, 1)
	assert.Equal(t, o.ID, own.Items[0].ID)

	stranger := s.For("eve")
	_, err = stranger.Order(ctx, o.ID)
	assert.Equal(t, http.StatusNotFound, problem(err).Status)
	assert.Equal(t, http.StatusNotFound, problem(stranger.Pay(ctx, o.ID, "card")).Status)
	assert.Equal(t, http.StatusNotFound, problem(stranger.Cancel(ctx, o.ID)).Status)
	other, err := stranger.Place(ctx, key, mine)
	require.NoError(t, err)
	assert.NotEqual(t, o.ID, other.ID, "a key is its caller's")
	_, err = nobody.Order(ctx, o.ID)
	assert.Equal(t, http.StatusUnauthorized, problem(err).Status)
	_, _, err = me.Put(ctx, sku, client.Product{Title: "Mine", Price: client.Money{Amount: 1, Currency: "EUR"}, Quantity: 99})
	assert.Equal(t, http.StatusForbidden, problem(err).Status)

	require.NoError(t, me.Pay(ctx, o.ID, "card"))
	becomes(t, s, o.ID, client.Paid)
	harness.Eventually(t, "the customer is told, and nobody else", 0, func() error {
		l, err := me.Notifications(ctx, o.ID)
		return errors.Join(err, wants(len(l.Items) >= 2, "%+v", l.Items))
	})
	l, err := stranger.Notifications(ctx, o.ID)
	require.NoError(t, err)
	assert.Empty(t, l.Items)
	require.NoError(t, stranger.Cancel(ctx, other.ID))
	audit(t, s, []string{sku}, []string{o.ID, other.ID})
}

func soldOut(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 1)
	o := placed(t, s, sku, 1)
	_, err := s.Place(t.Context(), uuid.NewString(), basket(sku, 1))
	p := problem(err)
	assert.Equal(t, http.StatusConflict, p.Status)
	assert.Equal(t, "sold_out", p.Code)
	assert.NotEmpty(t, p.TraceID)
	audit(t, s, []string{sku}, []string{o.ID})
}

func soldOutNamesEach(t *testing.T, s *harness.Shop) {
	plenty, few, none := stocked(t, s, 100), stocked(t, s, 1), stocked(t, s, 0)
	o := basket(plenty, 1)
	o.Lines = append(o.Lines, client.Line{SKU: few, Quantity: 2}, client.Line{SKU: none, Quantity: 1})
	_, err := s.Place(t.Context(), uuid.NewString(), o)
	p := problem(err)
	require.Equal(t, "sold_out", p.Code)
	var named []string
	for _, short := range p.SKUs {
		named = append(named, short.SKU)
	}
	assert.ElementsMatch(t, []string{few, none}, named)
	audit(t, s, []string{plenty, few, none}, nil)

	o.Lines[1].SKU = "no-such-sku"
	_, err = s.Place(t.Context(), uuid.NewString(), o)
	assert.Equal(t, http.StatusUnprocessableEntity, problem(err).Status)
	assert.Equal(t, "unknown_sku", problem(err).Code)
	audit(t, s, []string{plenty, few, none}, nil)
}

func lastUnit(t *testing.T, s *harness.Shop) {
	const buyers = 2
	sku := stocked(t, s, 1)
	var g errgroup.Group
	orders, errs := make([]client.Order, buyers), make([]error, buyers)
	for i := range buyers {
		g.Go(func() error {
			orders[i], errs[i] = s.Place(t.Context(), uuid.NewString(), basket(sku, 1))
			return nil
		})
	}
	_ = g.Wait()
	var got []string
	for i := range buyers {
		if errs[i] == nil {
			got = append(got, orders[i].ID)
		} else {
			assert.Equal(t, "sold_out", problem(errs[i]).Code)
		}
	}
	require.Len(t, got, 1)
	audit(t, s, []string{sku}, got)
}

func sameKeyTwice(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 10)
	key := uuid.NewString()
	first, err := s.Place(t.Context(), key, basket(sku, 1))
	require.NoError(t, err)
	again, err := s.Place(t.Context(), key, basket(sku, 1))
	require.NoError(t, err)
	assert.Equal(t, first, again)
	_, err = s.Place(t.Context(), key, basket(sku, 2))
	assert.Equal(t, http.StatusUnprocessableEntity, problem(err).Status)
	assert.Equal(t, "idempotency_key_reused", problem(err).Code)
	_, err = s.Place(t.Context(), "", basket(sku, 1))
	assert.Equal(t, http.StatusBadRequest, problem(err).Status)
	audit(t, s, []string{sku}, []string{first.ID})
}

func sameKeyAtOnce(t *testing.T, s *harness.Shop) {
	const times = 16
	sku := stocked(t, s, 10)
	key := uuid.NewString()
	var g errgroup.Group
	orders := make([]client.Order, times)
	for i := range times {
		g.Go(func() (err error) {
			orders[i], err = s.Place(t.Context(), key, basket(sku, 1))
			return err
		})
	}
	require.NoError(t, g.Wait())
	for _, o := range orders {
		assert.Equal(t, orders[0], o)
	}
	audit(t, s, []string{sku}, []string{orders[0].ID})
}

func cancelled(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 3)
	o := placed(t, s, sku, 3)
	require.NoError(t, s.Cancel(t.Context(), o.ID))
	becomes(t, s, o.ID, client.Cancelled)
	audit(t, s, []string{sku}, []string{o.ID})
	assert.Equal(t, "already_cancelled", problem(s.Cancel(t.Context(), o.ID)).Code)
	assert.Equal(t, "order_cancelled", problem(s.Pay(t.Context(), o.ID, "card")).Code)
	next := placed(t, s, sku, 3)
	audit(t, s, []string{sku}, []string{o.ID, next.ID})
}

func declinedThenPaid(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 3)
	o := placed(t, s, sku, 1)
	require.NoError(t, s.Pay(t.Context(), o.ID, "card_declined"))
	harness.Eventually(t, "a second method is accepted after the decline", 0, func() error {
		return s.Pay(t.Context(), o.ID, "card")
	})
	becomes(t, s, o.ID, client.Paid)
	audit(t, s, []string{sku}, []string{o.ID})
}

// paidAfterCancel: the provider charges but its answer is lost, the customer cancels, and then payment learns that the
// charge had landed.
func paidAfterCancel(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 3)
	o := placed(t, s, sku, 1)
	s.Sandbox.Fault(t, "payment", "lost_reply")
	require.NoError(t, s.Pay(t.Context(), o.ID, "card"))
	chargedAtProvider(t, s, o.ID)
	require.NoError(t, s.Cancel(t.Context(), o.ID))
	s.Sandbox.Fault(t, "payment", "ok")
	becomes(t, s, o.ID, client.Refunded)
	audit(t, s, []string{sku}, []string{o.ID})
}

// chargedAtProvider waits until the provider's ledger has a charge of the order, whether or not payment knows of it.
func chargedAtProvider(t *testing.T, s *harness.Shop, order string) {
	t.Helper()
	harness.Eventually(t, "the provider has the charge", 0, func() error {
		l, err := s.Sandbox.Ledger(t.Context(), order)
		if err == nil && len(l) == 0 {
			err = fmt.Errorf("the ledger has nothing of order %s", order)
		}
		return err
	})
}

func reservations(t *testing.T, s *harness.Shop) {
	ctx := t.Context()
	sku := stocked(t, s, 5)
	first, err := s.Reserve(ctx, sku, "r1", 2, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, "reserved", first.Status)
	again, err := s.Reserve(ctx, sku, "r1", 2, time.Hour)
	require.NoError(t, err)
	assert.Equal(t, first, again)
	_, err = s.Reserve(ctx, sku, "r1", 3, time.Hour)
	assert.Equal(t, "id_reused", problem(err).Code)
	_, err = s.Reserve(ctx, sku, "r2", 4, time.Hour)
	assert.Equal(t, "sold_out", problem(err).Code)
	_, err = s.Resolve(ctx, sku, "r1", "confirm")
	require.NoError(t, err)
	_, err = s.Resolve(ctx, sku, "r1", "confirm")
	confirmedTwice := problem(err).Code
	_, err = s.Resolve(ctx, sku, "r1", "release")
	assert.Equal(t, "already_confirmed", confirmedTwice)
	assert.Equal(t, http.StatusConflict, problem(err).Status)
	_, err = s.Reserve(ctx, sku, "r3", 1, time.Hour)
	require.NoError(t, err)
	_, err = s.Resolve(ctx, sku, "r3", "release")
	require.NoError(t, err)
	_, err = s.Resolve(ctx, sku, "r3", "release")
	assert.Equal(t, "already_released", problem(err).Code)
	st, err := s.Stock(ctx, sku)
	require.NoError(t, err)
	assert.Equal(t, []int64{5, 3, 0, 2}, []int64{st.Received, st.Available, st.Reserved, st.Sold})
}

func holdExpires(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 1)
	_, err := s.Reserve(t.Context(), sku, "short", 1, time.Second)
	require.NoError(t, err)
	harness.Eventually(t, "the unit is on sale again", 0, func() error {
		_, err := s.Reserve(t.Context(), sku, "next", 1, time.Hour)
		return err
	})
	_, err = s.Resolve(t.Context(), sku, "short", "confirm")
	assert.Equal(t, "reservation_expired", problem(err).Code)
}

func restock(t *testing.T, s *harness.Shop) {
	sku := stocked(t, s, 1)
	for range 2 {
		st, err := s.Restock(t.Context(), sku, "delivery-1", 5)
		require.NoError(t, err)
		assert.EqualValues(t, 6, st.Received)
	}
	_, err := s.Restock(t.Context(), sku, "delivery-1", 6)
	assert.Equal(t, "id_reused", problem(err).Code)
	audit(t, s, []string{sku}, nil)
}

func lists(t *testing.T, s *harness.Shop) {
	const orders = 5
	sku := stocked(t, s, orders)
	customer := "customer-" + uuid.NewString()
	var want []string
	for range orders {
		o := basket(sku, 1)
		o.Customer = customer
		out, err := s.Place(t.Context(), uuid.NewString(), o)
		require.NoError(t, err)
		want = append(want, out.ID)
	}
	var got []string
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		require.Less(t, pages, orders, "the list does not end")
		l, err := s.Orders(t.Context(), customer, cursor, 2)
		require.NoError(t, err)
		require.LessOrEqual(t, len(l.Items), 2)
		for _, o := range l.Items {
			got = append(got, o.ID)
		}
		cursor = l.NextCursor
	}
	assert.ElementsMatch(t, want, got)
}
