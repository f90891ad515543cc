package task

import "github.com/sidecart/sidecart/services/kit/exact"

// AppendJSON appends t as it stands in a snapshot: what json.Marshal would write.
func (t Task) AppendJSON(to []byte) ([]byte, error) {
	w := exact.Writer{To: to}
	t.AppendTo(&w)
	return w.To, w.Err
}

// AppendTo appends t as it stands in an event that writes itself.
func (t Task) AppendTo(w *exact.Writer) {
	w.Text(`{"id":`, t.ID)
	w.Text(`,"status":`, string(t.Status))
	w.NumberIfAny(`,"attempts":`, int64(t.Attempts))
	w.NumberIfAny(`,"failures":`, int64(t.Failures))
	w.TimeIfAny(`,"next_at":`, t.NextAt)
	w.TextIfAny(`,"claimed_by":`, t.ClaimedBy)
	w.TimeIfAny(`,"claim_until":`, t.ClaimUntil)
	w.TextIfAny(`,"reason":`, t.Reason)
	w.Time(`,"created_at":`, t.CreatedAt)
	w.TimeIfAny(`,"parked_at":`, t.ParkedAt)
	w.TextIfAny(`,"trace":`, t.Trace)
	w.Raw(`}`)
}
