package notify

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/archive"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
)

// queue asks for messages about an order to be sent; those that were made before are passed over. The writer that
// records them claims them in the same commit.
type queue struct {
	OrderID  string
	Owner    identity.Owner // of the order
	Messages []notifyapi.Message
	By       string
	Lease    time.Duration
	Look     *archive.Look[notifyapi.Order]
}

var _ archive.Command[notifyapi.Order] = queue{}

// AggregateID is the order's id.
func (c queue) AggregateID() string { return c.OrderID }

// WithLook is the command with what the store says about the order.
func (c queue) WithLook(l archive.Look[notifyapi.Order]) journal.Command {
	c.Look = &l
	return c
}

// recordSent writes down that the other side took a message.
type recordSent struct{ MessageID string }

// archiveOrders lets settled orders leave memory.
type archiveOrders struct{ Refs []archive.Ref }
