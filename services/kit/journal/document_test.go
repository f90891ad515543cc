package journal

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reservations is a segment as inventory has under load: n events of about 180 bytes, each with an id that is like no other.
func reservations(n int) Segment {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	s := Segment{
		Version: SegmentVersion, Service: "inventory", Journal: "j1", Shard: 1, Seq: 7, Writer: "w", Batch: 3, At: at,
		Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Events: []Record{},
	}
	for i := range n {
		id := rand.Text()
		s.Events = append(s.Events, Record{Type: "inventory.reserved", Data: jsontext.Value(
			fmt.Sprintf(`{"sku":"ticket","id":%q,"quantity":1,"hold_seconds":600,"expires_at":"2026-01-02T03:14:%02dZ","note":"a \"word\" in ünïcode"}`, id, i%60))})
	}
	return s
}

// What is encoded is read back the same, in whatever layout it stands.
func TestDocumentsKeepTheirSegments(t *testing.T) {
	two := reservations(40)
	two.Events = append(two.Events, Record{Type: "inventory.confirmed", Data: jsontext.Value(`{}`)})
	several := reservations(40)
	several.Trace = ""
	for i := range several.Events[1:] {
		several.Events[1+i].Trace = fmt.Sprintf("%x", incompressible(16))
	}
	large := reservations(1)
	for large.eventBytes() < maxSegmentBytes-300 {
		large.Events = append(large.Events, reservations(1).Events...)
	}
	for name, c := range map[string]struct {
		segment Segment
		newest  int
		packed  []string
	}{
		"a fence":                   {reservations(0), PackedVersion, nil},
		"a small one":               {reservations(3), PackedVersion, nil},
		"many events":               {reservations(40), PackedVersion, []string{"inventory.reserved"}},
		"of two types":              {two, PackedVersion, []string{"inventory.reserved", "inventory.confirmed"}},
		"of many callers":           {several, PackedVersion, []string{"inventory.reserved"}},
		"as large as they get":      {large, PackedVersion, []string{"inventory.reserved"}},
		"beside an earlier release": {two, SegmentVersion, nil},
	} {
		t.Run(name, func(t *testing.T) {
			value, err := c.segment.encode(c.newest)
			require.NoError(t, err)
			var d Document
			require.NoError(t, json.Unmarshal(value, &d))
			assert.Equal(t, c.packed, d.Types)
			assert.Equal(t, c.packed != nil, d.Version == PackedVersion)
			assert.Equal(t, c.packed == nil, d.Packed == nil)
			var back Segment
			require.NoError(t, json.Unmarshal(value, &back))
			assert.Equal(t, c.segment, back)
			bare := d.Bare()
			assert.Nil(t, bare.Events)
			bare.Events = back.Events
			assert.Equal(t, c.segment, bare)
			again, err := json.Marshal(d)
			require.NoError(t, err)
			assert.Equal(t, string(again), string(value))
			again, err = json.Marshal(back)
			require.NoError(t, err)
			plainly, err := c.segment.encode(SegmentVersion)
			require.NoError(t, err)
			assert.JSONEq(t, string(plainly), string(again))
			if c.packed == nil {
				assert.Equal(t, string(plainly), string(value))
			} else {
				assert.Less(t, len(value), len(plainly)*6/10, "that is what it is for")
			}
		})
	}
}

// What a segment is unpacked into is used again for the next one: nothing of the first may stand in it.
func TestASegmentOutlivesWhatItWasUnpackedInto(t *testing.T) {
	var documents [2]Document
	var want [2]string
	plainly := func(s Segment) string {
		value, err := s.encode(SegmentVersion)
		require.NoError(t, err)
		return string(value)
	}
	for i := range documents {
		s := reservations(40)
		s.Events[0].Trace = fmt.Sprintf("%x", incompressible(16))
		value, err := s.encode(PackedVersion)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(value, &documents[i]))
		require.NotNil(t, documents[i].Packed)
		want[i] = plainly(s)
	}
	first, err := documents[0].Segment()
	require.NoError(t, err)
	for range 20 { // a pool may give new memory now and then
		second, err := documents[1].Segment()
		require.NoError(t, err)
		require.Equal(t, want[1], plainly(second))
	}
	require.Equal(t, want[0], plainly(first))
}

// A release from before events had traces reads segments that have them: it passes over what it does not know.
func TestAnEarlierReleasePassesOverTraces(t *testing.T) {
	s := reservations(2)
	s.Events[1].Trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	value, err := s.encode(SegmentVersion)
	require.NoError(t, err)
	var earlier struct {
		Events []struct {
			Type string         `json:"type"`
			Data jsontext.Value `json:"data"`
		} `json:"events"`
	}
	require.NoError(t, json.Unmarshal(value, &earlier))
	for i, e := range s.Events {
		assert.Equal(t, e.Type, earlier.Events[i].Type)
		assert.JSONEq(t, string(e.Data), string(earlier.Events[i].Data))
	}
}

// What does not shrink is not packed.
func TestNoiseIsNotPacked(t *testing.T) {
	s := reservations(0)
	s.Events = append(s.Events, Record{Type: "e", Data: jsontext.Value(`"` + incompressible(4000) + `"`)})
	value, err := s.encode(PackedVersion)
	require.NoError(t, err)
	var d Document
	require.NoError(t, json.Unmarshal(value, &d))
	assert.Equal(t, SegmentVersion, d.Version)
	var back Segment
	require.NoError(t, json.Unmarshal(value, &back))
	assert.Equal(t, s, back)
}

// incompressible gives characters of six random bits each: packing takes a quarter away and base64 gives a third back.
func incompressible(n int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = alphabet[b[i]%64]
	}
	return string(b)
}

// The layouts are read for ever: these documents never change.
func TestLayoutsOfEveryRelease(t *testing.T) {
	want := reservations(0)
	want.Events = []Record{{Type: "a.b", Data: jsontext.Value(`{"n":1}`)}, {Type: "a.c", Data: jsontext.Value(`{"n":2}`)}}
	const head = `"service":"inventory","journal":"j1","shard":1,"seq":7,"writer":"w","batch":3,"at":"2026-01-02T03:04:05.000000006Z",` +
		`"trace":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",`
	for name, text := range map[string]string{
		"1": `{"version":1,` + head + `"events":[{"type":"a.b","data":{"n":1}},{"type":"a.c","data":{"n":2}}]}`,
		"2": `{"version":2,` + head + `"types":["a.b","a.c"],"packed":"H4sIAAAAAAAE/wTAMQrEIBCF4bv8tQi75btKSPESbcViGhnm7vmuJM6eCPeHxnAYJQv9qloSZ0+E+0tjOIyShf5V9xcAAP//GEdxEj0AAAA="}`,
	} {
		var back Segment
		require.NoError(t, json.Unmarshal([]byte(text), &back), name)
		assert.Equal(t, want, back, name)
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	quoted := func(b []byte) string {
		text, err := json.Marshal(b)
		require.NoError(t, err)
		return string(text)
	}
	packed := func(text string) []byte {
		p := newPacker()
		p.events = []byte(text)
		b, err := p.pack()
		require.NoError(t, err)
		return b
	}
	good := packed(`[]`)
	for text, want := range map[string]string{
		`[]`: "", `{}`: "layout 0", `{"version":3,"events":[]}`: "layout 3, this program reads 1 and 2",
		`{"version":2,"events":[]}`: "not of layout 2", `{"version":1,"packed":"AA=="}`: "not of layout 1",
		`{"version":2,"packed":` + quoted(good) + `,"events":[]}`:                                      "not of layout 2",
		`{"version":2,"packed":"AA=="}`:                                                                "cannot be unpacked",
		`{"version":2,"packed":""}`:                                                                    "cannot be unpacked",
		`{"version":2,"packed":` + quoted(good[:len(good)-1]) + `}`:                                    "cannot be unpacked",
		`{"version":2,"packed":` + quoted(packed("["+strings.Repeat(" ", maxUnpackedBytes)+"]")) + `}`: "cannot be unpacked",
		`{"version":2,"packed":` + quoted(packed(`{}`)) + `}`:                                          "its events",
	} {
		var s Segment
		err := json.Unmarshal([]byte(text), &s)
		require.ErrorContains(t, err, want, text)
		assert.Zero(t, s)
	}
}

func TestDocumentsTellWhatTheyHave(t *testing.T) {
	for _, n := range []int{2, 40} {
		s := reservations(n)
		value, err := s.encode(PackedVersion)
		require.NoError(t, err)
		var d Document
		require.NoError(t, json.Unmarshal(value, &d))
		assert.True(t, d.Has(func(eventType string) bool { return eventType == "inventory.reserved" }))
		assert.False(t, d.Has(func(eventType string) bool { return eventType == "inventory.confirmed" }))
	}
}

// What it costs that each event of a segment remembers its caller; compare with BenchmarkSegment.
func BenchmarkSegmentOfManyCallers(b *testing.B) {
	s := reservations(114)
	for i := range s.Events {
		s.Events[i].Trace = fmt.Sprintf("%x", incompressible(16))
	}
	value, err := s.encode(PackedVersion)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.encode(PackedVersion)
	}
	b.ReportMetric(float64(len(value)), "bytes") // the loop begins with forgetting
}

func BenchmarkSegment(b *testing.B) {
	s := reservations(114)
	for version, name := range []string{1: "plain", 2: "packed"} {
		if name == "" {
			continue
		}
		value, err := s.encode(version)
		require.NoError(b, err)
		b.Run("encode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = s.encode(version)
			}
			b.ReportMetric(float64(len(value)), "bytes") // the loop begins with forgetting
		})
		b.Run("read/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var back Segment
				_ = json.Unmarshal(value, &back)
			}
		})
		b.Run("pass over/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var d Document
				_ = json.Unmarshal(value, &d)
				d.Has(func(string) bool { return false })
			}
		})
	}
}
