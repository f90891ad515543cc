package delivery

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

var errTooLarge = errors.New("it is larger than a state store takes")

// encode gives the record's value. The bounds of a Tally keep it below sidecar.MaxValueBytes for as many shards
// as a journal may have (256).
func (t *Tally) encode() ([]byte, error) {
	value, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("delivery: record of %s: %w", t.Source, err)
	}
	if len(value) > sidecar.MaxValueBytes {
		return nil, fmt.Errorf("delivery: record of %s: %w", t.Source, errTooLarge)
	}
	return value, nil
}

// errNoRecord says that a value is not what encode wrote. It must not end a process: nothing but counting hangs on it.
var errNoRecord = errors.New("delivery: not a record")

func decodeTally(value []byte) (*Tally, error) {
	var t Tally
	if err := json.Unmarshal(value, &t); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoRecord, err)
	}
	ok := t.Writers != nil && t.Shards != nil
	for _, w := range t.Writers {
		ok = ok && w != nil
	}
	for _, tr := range t.Shards {
		ok = ok && tr != nil && tr.sound()
	}
	if !ok {
		return nil, errNoRecord
	}
	return &t, nil
}

// sound says whether the open numbers are in order, between From and High, and about brokers that there are.
func (tr *track) sound() bool {
	last := max(tr.From, 1) - 1
	for _, o := range tr.Open {
		if o == nil || o.Seq <= last || o.Seq > tr.High || o.First < 0 || o.First >= brokers {
			return false
		}
		last = o.Seq
	}
	return tr.From != 0 || len(tr.Open) == 0
}
