package journal

import (
	"encoding/base64"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Layouts of a segment's document. Both are read for ever.
const (
	// SegmentVersion has the events in the document: a Segment as JSON.
	SegmentVersion = 1
	// PackedVersion has them packed: "packed" is the JSON array of the events, compressed by gzip and in base64, and
	// "types" has each of their types once, so that who cares for none of them need not unpack. Segments with many events
	// are written so (Config.SegmentVersion): what moves and stores a document pays for its size many times over.
	PackedVersion = 2
)

// packFromBytes is the size of events from which they are packed: below it, that gains little and hides them from people.
const packFromBytes = 1 << 10

// Document is a segment as it is stored and travels: of either layout, with its events still packed if they were. Use
// Segment to get at them.
type Document struct {
	plain           // its Events are missing while they are packed
	Types  []string `json:"types,omitzero"` // of the packed events
	Packed []byte   `json:"packed,omitzero"`
}

// plain is a Segment with the JSON of its fields.
type plain Segment

// UnmarshalJSONFrom reads a document and refuses what is of neither layout. What is packed stays so.
func (d *Document) UnmarshalJSONFrom(in *jsontext.Decoder) error {
	type fields Document
	var f fields
	if err := json.UnmarshalDecode(in, &f); err != nil {
		return err
	}
	switch packed := f.Packed != nil; {
	case f.Version != SegmentVersion && f.Version != PackedVersion:
		return fmt.Errorf("it has layout %d, this program reads %d and %d; run the version that wrote it", f.Version, SegmentVersion, PackedVersion)
	case packed != (f.Version == PackedVersion) || packed && f.Events != nil:
		return fmt.Errorf("it is not of layout %d, as it says", f.Version)
	}
	*d = Document(f)
	return nil
}

// Has says whether the segment has an event whose type is wanted. It asks once for each type of a packed one.
func (d *Document) Has(wanted func(eventType string) bool) bool {
	has := false
	for _, t := range d.Types {
		has = wanted(t) || has
	}
	for _, r := range d.Events {
		has = wanted(r.Type) || has
	}
	return has
}

// Bare gives the segment without its events.
func (d *Document) Bare() Segment {
	s := Segment(d.plain)
	s.Version, s.Events = SegmentVersion, nil
	return s
}

// Segment gives the segment, unpacked.
func (d *Document) Segment() (Segment, error) {
	s := Segment(d.plain)
	if d.Packed == nil {
		return s, nil
	}
	s.Version = SegmentVersion
	err := unpack(d.Packed, func(events []byte) error { return json.Unmarshal(events, &s.Events) })
	if err != nil {
		return Segment{}, fmt.Errorf("its events cannot be unpacked: %w", err)
	}
	return s, nil
}

// UnmarshalJSONFrom reads a segment of either layout, unpacked. As JSON it is written in the plain one.
func (s *Segment) UnmarshalJSONFrom(in *jsontext.Decoder) error {
	var d Document
	if err := json.UnmarshalDecode(in, &d); err != nil {
		return err
	}
	var err error
	*s, err = d.Segment()
	return err
}

// encode gives a segment's document in a layout up to newest, the one that suits it.
func (s *Segment) encode(newest int) ([]byte, error) {
	if newest < PackedVersion || s.eventBytes() < packFromBytes {
		return json.Marshal(plain(*s))
	}
	p := packers.Get().(*packer) // only those are put there
	defer packers.Put(p)
	p.events = s.appendEvents(p.events[:0])
	packed, err := p.pack()
	if err != nil {
		return nil, err
	}
	if base64.StdEncoding.EncodedLen(len(packed)) >= len(p.events) {
		return json.Marshal(plain(*s))
	}
	d := Document{plain: plain(*s), Types: s.eventTypes()}
	d.Version, d.Events = PackedVersion, nil
	return d.encodeWith(packed)
}

// encodeWith gives the document as JSON with packed as its last member, which it need not be asked for: base64 has nothing to escape.
func (d *Document) encodeWith(packed []byte) ([]byte, error) {
	const before, after = `,"packed":"`, `"}`
	rest, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	rest = rest[:len(rest)-len("}")]
	to := make([]byte, 0, len(rest)+len(before)+base64.StdEncoding.EncodedLen(len(packed))+len(after))
	to = base64.StdEncoding.AppendEncode(append(append(to, rest...), before...), packed)
	return append(to, after...), nil
}

// eventBytes bounds the size of the events as a JSON array.
func (s *Segment) eventBytes() int {
	n := len("[]")
	for _, r := range s.Events {
		n += r.size()
	}
	return n
}

// appendEvents writes the events as a JSON array. Their data is JSON already: it came from encoding, or from a segment.
func (s *Segment) appendEvents(to []byte) []byte {
	to = append(to, '[')
	for i, r := range s.Events {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `{"type":"`...)
		to = append(to, r.Type...)
		to = append(to, `","data":`...)
		to = append(to, r.Data...)
		if r.Trace != "" {
			to = append(append(append(to, `,"trace":"`...), r.Trace...), '"') // hex digits and dashes
		}
		to = append(to, '}')
	}
	return append(to, ']')
}

// eventTypes gives every type once, in the order of its first event.
func (s *Segment) eventTypes() []string {
	var types []string
	seen := map[string]bool{}
	for _, r := range s.Events {
		if !seen[r.Type] {
			seen[r.Type] = true
			types = append(types, r.Type)
		}
	}
	return types
}
