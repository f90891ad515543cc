package terminal

import (
	"bytes"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// walker goes through one answer after another.
type walker struct {
	in  bytes.Buffer
	dec *jsontext.Decoder
}

// What comes is from our own services: duplicates and bad UTF-8 are theirs to avoid, and looking for them would take half of the time.
var trusting = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

var walkers = sync.Pool{New: func() any { return &walker{dec: jsontext.NewDecoder(nilReader{}, trusting...)} }}

// nilReader is for a decoder that has not begun.
type nilReader struct{}

func (nilReader) Read([]byte) (int, error) { return 0, io.EOF }

// apply gives body as n has it, in memory of its own. It fails where body is not one JSON document.
func (n *node) apply(body []byte) ([]byte, error) {
	w := walkers.Get().(*walker)
	defer func() {
		w.in = bytes.Buffer{} // body is the caller's
		walkers.Put(w)
	}()
	w.in = *bytes.NewBuffer(body)
	w.dec.Reset(&w.in, trusting...)
	out, err := w.value(n, make([]byte, 0, len(body)*3/4))
	if err != nil {
		return nil, err
	}
	if _, err := w.dec.ReadToken(); err != io.EOF {
		return nil, errTrailing
	}
	return out, nil
}

// value appends the next value as n has it.
func (w *walker) value(n *node, out []byte) ([]byte, error) {
	switch kind := w.dec.PeekKind(); {
	case n != nil && kind == '{':
		return w.object(n, out)
	case n != nil && kind == '[' && n.items != nil:
		return w.array(n.items, out)
	default:
		v, err := w.dec.ReadValue()
		return append(out, v...), err
	}
}

func (w *walker) object(n *node, out []byte) ([]byte, error) {
	if _, err := w.dec.ReadToken(); err != nil {
		return nil, err
	}
	out = append(out, '{')
	empty := len(out)
	for w.dec.PeekKind() == '"' {
		name, err := w.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		m, ruled := n.lookup(name)
		if ruled && m.drop || !ruled && !n.others {
			if err := w.dec.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		if m.name != nil {
			name = m.name
		}
		if len(out) > empty {
			out = append(out, ',')
		}
		out = append(append(out, name...), ':')
		if out, err = w.value(m.value, out); err != nil {
			return nil, err
		}
	}
	_, err := w.dec.ReadToken()
	return append(out, '}'), err
}

// lookup finds a member by its name as JSON.
func (n *node) lookup(quoted []byte) (member, bool) {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		name, err := jsontext.AppendUnquote(nil, quoted)
		if err != nil {
			return member{}, false
		}
		inner = name
	}
	m, ok := n.members[string(inner)]
	return m, ok
}

func (w *walker) array(items *node, out []byte) ([]byte, error) {
	if _, err := w.dec.ReadToken(); err != nil {
		return nil, err
	}
	out = append(out, '[')
	empty := len(out)
	for kind := w.dec.PeekKind(); kind != ']' && kind != 0; kind = w.dec.PeekKind() {
		if len(out) > empty {
			out = append(out, ',')
		}
		var err error
		if out, err = w.value(items, out); err != nil {
			return nil, err
		}
	}
	_, err := w.dec.ReadToken()
	return append(out, ']'), err
}
