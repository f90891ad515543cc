package notifyapi

import (
	"github.com/sidecart/sidecart/services/kit/exact"
	"github.com/sidecart/sidecart/services/kit/journal"
)

// Queued comes with every order, so it writes itself.
var _ journal.Exact = Queued{}

// AppendJSON appends what json.Marshal would write.
func (e Queued) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	w.Text(`{"order_id":`, e.OrderID)
	w.TextIfAny(`,"customer":`, e.Customer)
	w.TextIfAny(`,"tenant":`, e.Tenant)
	w.List(`,"messages":`, len(e.Messages), func(i int) {
		m := &e.Messages[i]
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
	w.List(`,"tasks":`, len(e.Tasks), func(i int) { e.Tasks[i].AppendTo(&w) })
	w.Raw(`}`)
	return w.To, w.Err
}
