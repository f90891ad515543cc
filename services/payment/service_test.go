package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/task/tasktest"
	"github.com/sidecart/sidecart/services/order/orderapi"
	"github.com/sidecart/sidecart/services/payment/paymentapi"
)

// bank is the payment provider of these tests: idempotent, with a ledger, and with the fault of the moment.
type bank struct {
	mu      sync.Mutex
	ledger  map[string]string // key → id
	charges int
	refunds int
	calls   int
	fault   func(call int) string // "", down, lost, slow, nonsense, dearer or a status
}

func (b *bank) invoke(ctx context.Context, name, operation string, data []byte, metadata map[string]string) (sidecar.BindingResult, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	fault := ""
	if b.fault != nil {
		fault = b.fault(b.calls)
	}
	b.calls++
	key, path := metadata["Idempotency-Key"], metadata["path"]
	if name != "payment-provider" || operation != "post" || key == "" {
		return sidecar.BindingResult{}, errors.New("not the protocol of the provider")
	}
	switch fault {
	case "down":
		return sidecar.BindingResult{}, errors.New("connection refused")
	case "slow":
		b.mu.Unlock()
		<-ctx.Done()
		b.mu.Lock()
		return sidecar.BindingResult{}, ctx.Err()
	case "402", "409", "422", "500", "404", "429":
		var status int
		_, _ = fmt.Sscan(fault, &status)
		return sidecar.BindingResult{}, &sidecar.BindingError{Binding: name, Status: status, Data: []byte(`{"code":"said_no","more":1}`)}
	case "nonsense":
		return sidecar.BindingResult{Data: []byte("<html>")}, nil
	}
	id, known := b.ledger[key]
	if !known {
		if path == "/charges" {
			b.charges++
			id = fmt.Sprintf("ch_%d", b.charges)
		} else {
			b.refunds++
			id = fmt.Sprintf("re_%d", b.refunds)
		}
		b.ledger[key] = id
	}
	if fault == "lost" {
		return sidecar.BindingResult{}, errors.New("connection reset")
	}
	var asked struct {
		Amount   int64  `json:"amount"`
		Currency string `json:"currency"`
	}
	if err := json.Unmarshal(data, &asked); err != nil {
		return sidecar.BindingResult{}, err
	}
	if fault == "dearer" {
		asked.Amount++
	}
	answer := fmt.Sprintf(`{"id":%q,"amount":%d,"currency":%q}`, id, asked.Amount, asked.Currency)
	return sidecar.BindingResult{Data: []byte(answer)}, nil
}

func (b *bank) set(fault string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = func(int) string { return fault }
}

// shop is payment at work between a journal of order and the bank.
type shop struct {
	t      *testing.T
	w      *tasktest.World
	order  *tasktest.Source
	bank   *bank
	stop   func()
	faults journaltest.Faults
}

// inShop runs a test in a bubble of its own time.
func inShop(t *testing.T, faults journaltest.Faults, test func(*shop)) {
	synctest.Test(t, func(t *testing.T) {
		w := tasktest.New(t)
		s := &shop{t: t, w: w, bank: &bank{ledger: map[string]string{}}, faults: faults}
		w.Outside(s.bank.invoke)
		var stopOrder func()
		s.order, stopOrder = w.Source("order", orderapi.Types())
		defer stopOrder()
		s.start()
		defer func() { s.stop() }()
		test(s)
	})
}

func (s *shop) start() {
	service, err := New(Config{}, s.w.Deps(s.faults))
	require.NoError(s.t, err)
	s.stop = s.w.Start(service)
}

// after lets time pass in the bubble.
func (s *shop) after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (s *shop) pay(order string, attempt int) {
	s.order.Append(order, orderapi.PaymentRequested{OrderID: order, Attempt: attempt, Method: "card", Amount: price})
}

func (s *shop) account(order string) (a accountAnswer, err error) {
	err = s.w.Get("http://payment/internal/charges/"+order, &a)
	return a, err
}

// status gives what became of the charges of an order.
func (s *shop) status(order string) (statuses []string) {
	a, err := s.account(order)
	require.NoError(s.t, err)
	for _, c := range a.Charges {
		statuses = append(statuses, c.Status)
	}
	for _, r := range a.Refunds {
		statuses = append(statuses, "refund "+r.Status)
	}
	return statuses
}

func (s *shop) parked() []follow.Parked {
	var list httpx.List[follow.Parked]
	require.NoError(s.t, s.w.Get("http://payment/internal/parked", &list))
	return list.Items
}

// events reads payment's own journal, as a follower would.
func (s *shop) events() (events []journal.Event) {
	var heads journal.HeadsAnswer
	require.NoError(s.t, s.w.Get("http://payment/journal", &heads))
	for shard := range heads.Shards {
		for after := uint64(0); ; {
			var page journal.SegmentsAnswer[journal.Segment]
			require.NoError(s.t, s.w.Get(fmt.Sprintf("http://payment/journal/%d?after=%d", shard, after), &page))
			for _, seg := range page.Segments {
				after = seg.Seq
				for _, r := range seg.Events {
					if e, err := paymentapi.Types().Decode(r); err == nil {
						events = append(events, e)
					}
				}
			}
			if after >= page.Head {
				break
			}
		}
	}
	return events
}

func TestAPaidOrderIsChargedOnce(t *testing.T) {
	inShop(t, journaltest.Faults{}, func(s *shop) {
		s.pay("o", 1)
		s.after(time.Second)
		require.Equal(t, []string{"charged"}, s.status("o"))
		require.Equal(t, 1, s.bank.calls)
		require.Len(t, s.events(), 2, "two commits an order: asked for and claimed, charged")
	})
}

func TestAnswersOfTheProvider(t *testing.T) {
	for fault, want := range map[string]string{
		"402": "declined", "422": "declined", "409": "pending", "500": "charged", "429": "charged", "404": "charged",
		"down": "charged", "slow": "charged", "lost": "charged", "nonsense": "charged",
	} {
		t.Run(fault, func(t *testing.T) {
			inShop(t, journaltest.Faults{}, func(s *shop) {
				s.bank.set(fault)
				s.pay("o", 1)
				s.after(20 * time.Second)
				s.bank.set("")
				s.after(time.Minute)
				require.Equal(t, []string{want}, s.status("o"))
				if want == "declined" {
					require.Equal(t, 1, s.bank.calls, "a refusal is an answer and no failure")
					a, _ := s.account("o")
					require.Equal(t, "said_no", a.Charges[0].Reason)
				}
				require.Equal(t, one(want == "charged"), s.bank.charges)
				require.Len(t, s.parked(), one(fault == "409"))
			})
		})
	}
}

func TestAProviderThatStaysDownParksTheCharge(t *testing.T) {
	inShop(t, journaltest.Faults{}, func(s *shop) {
		s.bank.set("down")
		s.pay("o", 1)
		s.after(3 * time.Minute)
		parked := s.parked()
		require.Len(t, parked, 1)
		require.Equal(t, "payment-provider", parked[0].Source)
		require.Equal(t, "payment.charge", parked[0].Type)
		require.Equal(t, "the provider cannot be reached", parked[0].Reason)
		require.Equal(t, 7, parked[0].Attempts)
		s.bank.set("")
		require.NoError(t, s.w.Post("http://payment/internal/parked/"+parked[0].ID+"/retry"))
		s.after(time.Second)
		require.Equal(t, []string{"charged"}, s.status("o"))
		require.True(t, errs.HasCode(s.w.Post("http://payment/internal/parked/"+parked[0].ID+"/retry"), follow.CodeParkedNotFound))
	})
}

func TestAChargeOfAnotherAmountWaitsForAnOperator(t *testing.T) {
	inShop(t, journaltest.Faults{}, func(s *shop) {
		s.bank.set("dearer")
		s.pay("o", 1)
		s.after(time.Minute)
		require.Equal(t, []string{"pending"}, s.status("o"))
		require.Len(t, s.parked(), 1)
		require.Equal(t, 1, s.bank.calls)
	})
}

func TestCancelledWhileTheOutcomeIsUnknown(t *testing.T) {
	inShop(t, journaltest.Faults{}, func(s *shop) {
		s.bank.set("lost")
		s.pay("o", 1)
		s.after(time.Second)
		s.order.Append("o", orderapi.Cancelled{OrderID: "o", Reason: orderapi.ReasonCustomer})
		s.bank.set("")
		s.after(time.Minute)
		require.Equal(t, []string{"charged"}, s.status("o"))
		s.order.Append("o", orderapi.RefundRequested{OrderID: "o", ChargeID: "ch_1", Attempt: 1, Amount: price, Reason: "r"})
		s.after(time.Second)
		require.Equal(t, []string{"charged", "refund refunded"}, s.status("o"))
		require.Equal(t, 1, s.bank.refunds)

		s.order.Append("o", orderapi.Archived{OrderIDs: []string{"o", "other"}})
		s.after(time.Second)
		_, err := s.account("o")
		require.Equal(t, errs.NotFound, errs.From(err).Kind, "a finished order leaves memory")
	})
}

func TestARefundThatIsRefusedWaitsForAnOperator(t *testing.T) {
	inShop(t, journaltest.Faults{}, func(s *shop) {
		s.bank.set("404")
		s.order.Append("o", orderapi.RefundRequested{OrderID: "o", ChargeID: "ch_7", Attempt: 1, Amount: price, Reason: "r"})
		s.after(time.Second)
		parked := s.parked()
		require.Len(t, parked, 1)
		require.Equal(t, 1, s.bank.calls)
		require.NoError(t, s.w.Post("http://payment/internal/parked/"+parked[0].ID+"/discard"))
		s.after(time.Second)
		require.Equal(t, []string{"refund refunded"}, s.status("o"))
		require.Equal(t, http.StatusBadRequest, errs.From(s.w.Get("http://payment/internal/charges/a%7Cb", nil)).Kind.Status())
	})
}

func TestARefundWhoseAnswerIsLostIsMadeOnce(t *testing.T) {
	inShop(t, journaltest.Faults{}, func(s *shop) {
		s.bank.set("lost")
		s.order.Append("o", orderapi.RefundRequested{OrderID: "o", ChargeID: "ch_7", Attempt: 1, Amount: price, Reason: "r"})
		s.after(20 * time.Second)
		s.bank.set("")
		s.after(time.Minute)
		require.Equal(t, []string{"refund refunded"}, s.status("o"))
		require.Greater(t, s.bank.calls, 1)
		require.Equal(t, 1, s.bank.refunds)
	})
}

// TestNothingIsLostOrDoubled runs payment over a store and a provider that fail at random, with restarts, and counts.
func TestNothingIsLostOrDoubled(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			faults := journaltest.Faults{Seed: seed, FailBefore: 0.1, FailAfter: 0.1, PlainConflict: 0.1, Delay: 0.1}
			inShop(t, faults, func(s *shop) {
				modes := []string{"", "lost", "", "down", "500", "", "slow"}
				s.bank.fault = func(call int) string { return modes[(uint64(call)*7+seed)%uint64(len(modes))] }
				const orders = 30
				for i := range orders {
					s.pay(fmt.Sprint("o", i), 1)
					if i%10 == 9 {
						s.after(time.Duration(i) * 100 * time.Millisecond)
						s.stop()
						s.start()
					}
				}
				s.after(10 * time.Minute)
				for _, p := range s.parked() {
					require.NoError(t, s.w.Post("http://payment/internal/parked/"+p.ID+"/retry"))
				}
				s.bank.set("")
				s.after(10 * time.Minute)
				require.Empty(t, s.parked())
				charged := map[string]int{}
				for _, e := range s.events() {
					if c, ok := e.(paymentapi.Charged); ok {
						charged[c.OrderID]++
					}
				}
				require.Len(t, charged, orders)
				for id, n := range charged {
					require.Equal(t, 1, n, id)
				}
				require.Equal(t, orders, s.bank.charges)
			})
		})
	}
}
