package inventory

import (
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRecordsOfSnapshotsAreReadForEver holds the records that snapshots in use have. They may get more fields; these stay.
func TestRecordsOfSnapshotsAreReadForEver(t *testing.T) {
	records := []struct{ kind, data string }{
		{"item", `{"sku":"mug","title":"Blue mug","price":{"amount":1250,"currency":"EUR"},"received":30,"available":20,"reserved":6,"sold":4,"version":9}`},
		{"reservation", `{"sku":"mug","id":"0194e1c2-0d6c-7d0a-8f3e-2b1a5c7d9e0f","quantity":2,"hold_seconds":900,"expires_at":"2026-01-02T03:19:05.123Z","status":"reserved"}`},
		{"reservation", `{"sku":"mug","id":"0194E1C2-0d6c-7d0a-8f3e-2b1a5c7d9e0f","quantity":1,"hold_seconds":86400,"expires_at":"2026-01-02T03:19:05Z","status":"reserved"}`},
		{"reservation", `{"sku":"mug","id":"cart 7","quantity":4,"hold_seconds":60,"expires_at":"2026-01-02T03:05:05Z","status":"confirmed","finished_at":"2026-01-02T03:04:06.123456789Z"}`},
		{"hold", `{"id":"9b2d7c1e-5f4a-4e3b-8c6d-1a2b3c4d5e6f","fingerprint":"0123456789abcdef0123456789abcdef","claims":[""],"lines":[{"sku":"mug","title":"Blue mug","quantity":2,"unit_price":{"amount":1250,"currency":"EUR"},"status":"reserved"}],"expires_at":"2026-01-02T03:19:05.5Z"}`},
		{"hold", `{"id":"o-2","fingerprint":"f","claims":["x","y"],"lines":[{"sku":"mug","title":"Mug","quantity":1,"unit_price":{"amount":1000,"currency":"EUR"},"status":"reserved"},{"sku":"gone","title":"","quantity":0,"unit_price":{"amount":0,"currency":""},"status":"lost"}],"expires_at":"2026-01-02T03:19:05Z"}`},
		{"hold", `{"id":"o-3","fingerprint":"","lines":[{"sku":"mug","title":"","quantity":0,"unit_price":{"amount":0,"currency":""},"status":"lost"}],"expires_at":"2026-01-02T03:04:05Z","finished_at":"2026-01-02T03:04:05.000000001Z"}`},
		{"restock", `{"id":"d1","quantity":5,"at":"2026-01-02T03:04:05Z","item":{"sku":"mug","title":"Blue mug","price":{"amount":1250,"currency":"EUR"},"received":30,"available":30,"reserved":0,"sold":0,"version":2}}`},
	}
	s := newShard(t)
	want := make([]string, 0, len(records))
	for _, r := range records {
		require.NoError(t, s.state.load(r.kind, jsontext.Value(r.data)))
		want = append(want, r.kind+" "+r.data)
	}
	assert.ElementsMatch(t, want, s.dump())
	s.check()

	for r := range s.state.allReservations {
		marshalled, err := json.Marshal(r)
		require.NoError(t, err)
		appended, err := r.AppendJSON(nil)
		require.NoError(t, err)
		require.Equal(t, string(marshalled), string(appended))
	}

	require.ErrorContains(t, s.state.load("pallet", jsontext.Value(`{}`)), "pallet")
	require.Error(t, json.Unmarshal([]byte(`{"quantity":"x"}`), new(Reservation)))
	require.Panics(t, func() {
		_ = s.state.load("reservation", jsontext.Value(`{"sku":"mug","id":"r","quantity":5000000000,"status":"reserved"}`))
	}, "what does not fit a row is not cut short")
}
