package notifyapi

import (
	"time"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/task"
)

// Channels.
const (
	ChannelEmail = "email"
	ChannelSMS   = "sms"
)

// Statuses of a notification.
const (
	StatusQueued    = "queued"    // will be sent, or is being sent
	StatusSent      = "sent"      // the other side took it
	StatusParked    = "parked"    // failed too often; an operator retries or discards it
	StatusDiscarded = "discarded" // an operator gave it up
)

// Message is one notification. Once it is sent or discarded, only what the contract shows is kept of it.
type Message struct {
	ID       string `json:"id"` // UUID v5 of order, template and channel: a repeat is known by it
	Channel  string `json:"channel"`
	Template string `json:"template"`
	Status   string `json:"status"`
	Attempts int    `json:"attempts"`
	To       string `json:"to,omitzero"`
	Subject  string `json:"subject,omitzero"`
	Text     string `json:"text,omitzero"` // plain
}

// Order is what was or will be said about an order; it is never changed once published.
type Order struct {
	ID        string    `json:"id"`
	Customer  string    `json:"customer,omitzero"` // whose it is; empty in what was made before there were accounts
	Tenant    string    `json:"tenant,omitzero"`   // of the customer; empty: the shop itself
	Messages  []Message `json:"messages"`          // in the order of their making
	ChangedAt time.Time `json:"changed_at"`
	Seq       uint64    `json:"seq"` // the segment that changed it last
}

// Queued says that messages are to be sent. Tasks has one for each of Messages, with the message's id.
type Queued struct {
	OrderID  string      `json:"order_id"`
	Customer string      `json:"customer,omitzero"` // as in Order
	Tenant   string      `json:"tenant,omitzero"`
	Messages []Message   `json:"messages"`
	Tasks    []task.Task `json:"tasks"`
}

// Sent says that the other side took a message.
type Sent struct {
	OrderID   string    `json:"order_id"`
	MessageID string    `json:"message_id"`
	Attempts  int       `json:"attempts"`
	SentAt    time.Time `json:"sent_at"`
}

// Discarded says that an operator gave a parked message up.
type Discarded struct {
	OrderID   string `json:"order_id"`
	MessageID string `json:"message_id"`
}

// TaskChanged says where the work on a message stands: claimed, failed, parked, retried.
type TaskChanged struct {
	OrderID string    `json:"order_id"`
	Task    task.Task `json:"task"`
}

// Archived says that these orders' messages left memory for views in the store.
type Archived struct {
	OrderIDs []string `json:"order_ids"`
}

// Restored says that an archived order is back in memory, because there is more to say about it.
type Restored struct {
	Order Order `json:"order"`
}

// EventType names the event.
func (Queued) EventType() string { return "notify.queued" }

// EventType names the event.
func (Sent) EventType() string { return "notify.sent" }

// EventType names the event.
func (Discarded) EventType() string { return "notify.discarded" }

// EventType names the event.
func (TaskChanged) EventType() string { return "notify.task_changed" }

// EventType names the event.
func (Archived) EventType() string { return "notify.archived" }

// EventType names the event.
func (Restored) EventType() string { return "notify.restored" }

// Types lists every event of the notify journal.
func Types() journal.Types {
	return journal.NewTypes(Queued{}, Sent{}, Discarded{}, TaskChanged{}, Archived{}, Restored{})
}

// Notification is an item of GET /v1/orders/{id}/notifications.
type Notification struct {
	Channel   string `json:"channel"`
	Template  string `json:"template"`
	Status    string `json:"status"`
	Attempts  int    `json:"attempts"`
	MessageID string `json:"message_id"`
}
