package payment

import (
	"strconv"
	"time"

	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/kit/trie"
)

// state is one shard: the accounts of its orders and the tasks that are open.
type state struct {
	accounts trie.Map[string, *account] // by order id
	refunds  btree.Map[string, string]  // open refund task → order id; a charge's task id says it itself
	tasks    *task.Set
}

func newState() *state { return &state{tasks: task.NewSet()} }

func (s *state) clone() *state {
	return &state{accounts: s.accounts.Clone(), refunds: *s.refunds.Copy(), tasks: s.tasks.Clone()}
}

// account is what happened to the money of one order. It is never changed once it is in a state.
type account struct {
	OrderID string   `json:"order_id"`
	Charges []charge `json:"charges"` // in the order of their arrival
	Refunds []refund `json:"refunds"`
}

// Statuses of charges and refunds.
const (
	statusPending   = "pending"
	statusCharged   = "charged"
	statusDeclined  = "declined"
	statusAbandoned = "abandoned"
	statusRefunded  = "refunded"
)

type charge struct {
	Attempt  int         `json:"attempt"`
	Method   string      `json:"method"`
	Amount   money.Money `json:"amount"`
	Status   string      `json:"status"`
	ChargeID string      `json:"charge_id,omitzero"`
	Reason   string      `json:"reason,omitzero"`
	Resolved time.Time   `json:"resolved_at,omitzero"`
}

type refund struct {
	ChargeID string      `json:"charge_id"`
	Attempt  int         `json:"attempt"`
	Amount   money.Money `json:"amount"`
	Reason   string      `json:"reason"`
	Status   string      `json:"status"`
	RefundID string      `json:"refund_id,omitzero"`
	Resolved time.Time   `json:"resolved_at,omitzero"`
}

// copy is a deep copy to be changed before it is put into a state; of nothing it is an empty account.
func (a *account) copy(orderID string) *account {
	c := &account{OrderID: orderID}
	if a != nil {
		c.Charges = append(c.Charges, a.Charges...)
		c.Refunds = append(c.Refunds, a.Refunds...)
	}
	return c
}

// charge finds an attempt; the pointer is for changing a copy.
func (a *account) charge(attempt int) *charge {
	if a == nil {
		return nil
	}
	for i := range a.Charges {
		if a.Charges[i].Attempt == attempt {
			return &a.Charges[i]
		}
	}
	return nil
}

// refund finds the refund of a charge; the pointer is for changing a copy.
func (a *account) refund(chargeID string) *refund {
	if a == nil {
		return nil
	}
	for i := range a.Refunds {
		if a.Refunds[i].ChargeID == chargeID {
			return &a.Refunds[i]
		}
	}
	return nil
}

// settled tells whether nothing is to be done for the order any more.
func (a *account) settled() bool {
	for _, c := range a.Charges {
		if c.Status == statusPending {
			return false
		}
	}
	for _, r := range a.Refunds {
		if r.Status == statusPending {
			return false
		}
	}
	return true
}

// account finds the account of an order, nil if there is none.
func (s *state) account(orderID string) *account {
	a, _ := s.accounts.Get(orderID)
	return a
}

// chargeKey is the provider's idempotency key and the task id of a charge.
func chargeKey(orderID string, attempt int) string { return orderID + ":" + strconv.Itoa(attempt) }

// refundPrefix begins the key of a refund. Order ids are UUIDs, so no charge key begins with it.
const refundPrefix = "refund:"

// refundKey is the provider's idempotency key and the task id of a refund.
func refundKey(chargeID string) string { return refundPrefix + chargeID }

// work is what an open task is about: one of the two is set.
type work struct {
	orderID string
	charge  *charge
	refund  *refund
}

// work finds what the task is about; ok is false when it is done or unknown.
func (s *state) work(taskID string) (work, bool) {
	if orderID, ok := s.refunds.Get(taskID); ok {
		w := work{orderID: orderID, refund: s.account(orderID).refund(taskID[len(refundPrefix):])}
		return w, w.refund != nil
	}
	orderID, attempt, ok := splitChargeKey(taskID)
	if !ok {
		return work{}, false
	}
	w := work{orderID: orderID, charge: s.account(orderID).charge(attempt)}
	return w, w.charge != nil
}

func splitChargeKey(key string) (orderID string, attempt int, ok bool) {
	for i := len(key) - 1; i > 0; i-- {
		if key[i] == ':' {
			attempt, err := strconv.Atoi(key[i+1:])
			return key[:i], attempt, err == nil
		}
	}
	return "", 0, false
}
