package notifyapi

import (
	"github.com/sidecart/sidecart/services/kit/exact"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Queued comes with every order, so it writes itself; so does an Order for snapshots.
var _ journal.Exact = Queued{}

// AppendJSON appends what json.Marshal would write.
func (e Queued) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"order_id":`, e.OrderID)
	w.TextIfAny(`,"customer":`, e.Customer)
	w.TextIfAny(`,"tenant":`, e.Tenant)
	appendMessages(&w, e.Messages)
	w.List(`,"tasks":`, len(e.Tasks), func(i int) { e.Tasks[i].AppendTo(&w) })
	w.Raw(`}`)
	return w.To, w.Err
}

// AppendJSON appends what json.Marshal would write.
func (o *Order) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"id":`, o.ID)
	w.TextIfAny(`,"customer":`, o.Customer)
	w.TextIfAny(`,"tenant":`, o.Tenant)
	appendMessages(&w, o.Messages)
	w.Time(`,"changed_at":`, o.ChangedAt)
	w.Count(`,"seq":`, o.Seq)
	w.Raw(`}`)
	return w.To, w.Err
}

// appendMessages appends the member messages.
func appendMessages(w *exact.Writer, messages []Message) {
	w.List(`,"messages":`, len(messages), func(i int) {
		m := &messages[i]
		w.Text(`{"id":`, m.ID)
		w.Text(`,"channel":`, m.Channel)
		w.Text(`,"template":`, m.Template)
		w.Text(`,"status":`, m.Status)
		w.Number(`,"attempts":`, int64(m.Attempts))
		w.TextIfAny(`,"to":`, m.To)
		w.TextIfAny(`,"subject":`, m.Subject)
		w.TextIfAny(`,"text":`, m.Text)
		w.Raw(`}`)
	})
}
