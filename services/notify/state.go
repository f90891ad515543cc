package notify

import (
	"time"

	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/task"
	"github.com/sidecart/sidecart/services/kit/trie"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
)

// state is one shard: the orders that are not archived, and the messages that are to be sent. An order in it is never
// changed, only replaced.
type state struct {
	orders   trie.Map[string, *notifyapi.Order]
	open     trie.Map[string, string]        // message that is not sent → order
	settled  *btree.BTreeG[*notifyapi.Order] // orders with nothing left to send, by changed_at
	mail     *task.Set                       // one a channel, so that one that is down holds up no other
	sms      *task.Set
	archived *archive.Index
}

func changedBefore(a, b *notifyapi.Order) bool {
	if c := a.ChangedAt.Compare(b.ChangedAt); c != 0 {
		return c < 0
	}
	return a.ID < b.ID
}

func newState() *state {
	return &state{
		settled: btree.NewBTreeGOptions(changedBefore, btree.Options{NoLocks: true}), // see journal.Machine: one writer
		mail:    task.NewSet(), sms: task.NewSet(), archived: archive.NewIndex(),
	}
}

func (s *state) clone() *state {
	return &state{
		orders: s.orders.Clone(), open: s.open.Clone(), settled: s.settled.Copy(),
		mail: s.mail.Clone(), sms: s.sms.Clone(), archived: s.archived.Clone(),
	}
}

// order is the order if it is in memory, else nil.
func (s *state) order(id string) *notifyapi.Order {
	o, _ := s.orders.Get(id)
	return o
}

// message finds a message that is not sent.
func (s *state) message(id string) (orderID string, m notifyapi.Message, ok bool) {
	orderID, ok = s.open.Get(id)
	if !ok {
		return "", m, false
	}
	m, ok = messageOf(s.order(orderID), id)
	return orderID, m, ok
}

func messageOf(o *notifyapi.Order, id string) (notifyapi.Message, bool) {
	if o == nil {
		return notifyapi.Message{}, false
	}
	for _, m := range o.Messages {
		if m.ID == id {
			return m, true
		}
	}
	return notifyapi.Message{}, false
}

// set is the Set of a channel.
func (s *state) set(channel string) *task.Set {
	if channel == notifyapi.ChannelSMS {
		return s.sms
	}
	return s.mail
}

// put replaces or adds an order and keeps what finds it.
func (s *state) put(o *notifyapi.Order) {
	if old, replaced := s.orders.Set(o.ID, o); replaced {
		s.unlist(old)
	}
	if settled(o) {
		s.settled.Set(o)
	}
}

// remove lets go of an order; one that is not there is no error.
func (s *state) remove(id string) {
	if o := s.order(id); o != nil {
		s.orders.Delete(id)
		s.unlist(o)
	}
}

// unlist takes an order out of what finds it.
func (s *state) unlist(o *notifyapi.Order) {
	if settled(o) { // deleting what is not there copies the way to it
		s.settled.Delete(o)
	}
}

// settled tells whether nothing is left to send.
func settled(o *notifyapi.Order) bool {
	for _, m := range o.Messages {
		if !final(m.Status) {
			return false
		}
	}
	return true
}

func final(status string) bool {
	return status == notifyapi.StatusSent || status == notifyapi.StatusDiscarded
}

// settledBefore gives up to limit orders that have been settled since before the given time, the oldest first.
func (s *state) settledBefore(before time.Time, limit int) []*notifyapi.Order {
	var orders []*notifyapi.Order
	s.settled.Scan(func(o *notifyapi.Order) bool {
		if !o.ChangedAt.Before(before) || len(orders) == limit {
			return false
		}
		orders = append(orders, o)
		return true
	})
	return orders
}
