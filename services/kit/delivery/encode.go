package delivery

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

var errTooLarge = errors.New("it is larger than a state store takes")

// encode gives the record's value. The bounds of a Tally keep it below sidecar.MaxValueBytes for 64 shards at least.
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

func decodeTally(value []byte) (*Tally, error) {
	var t Tally
	if err := json.Unmarshal(value, &t); err != nil {
		return nil, fmt.Errorf("delivery: not a record: %w", err)
	}
	if t.Writers == nil || t.Shards == nil {
		return nil, errors.New("delivery: not a record: writers or shards are missing")
	}
	return &t, nil
}
