package bridge

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// errUnknownValue is that of an enum, whose .proto file does not have it: it may be from later.
var errUnknownValue = errors.New("must be one of its values")

// decode reads one JSON object into m. Members that s does not have, and values that an enum does not have, are passed over, or with
// strict refused. An error
// names the member and not its value.
func (s *shape) decode(raw []byte, m protoreflect.Message, strict bool) error {
	d := &decoder{dec: jsontext.NewDecoder(bytes.NewBuffer(raw)), strict: strict}
	if err := d.object(s, m); err != nil {
		if at := d.dec.StackPointer(); at != "" {
			return fmt.Errorf("%s: %w", at, err)
		}
		return err
	}
	if _, err := d.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the JSON document")
	}
	return nil
}

type decoder struct {
	dec    *jsontext.Decoder
	strict bool
}

func (d *decoder) object(s *shape, m protoreflect.Message) error {
	if d.dec.PeekKind() != '{' {
		return d.wrong("an object")
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	for d.dec.PeekKind() == '"' {
		quoted, err := d.dec.ReadValue()
		if err != nil {
			return err
		}
		f := s.find(quoted)
		switch {
		case f == nil && d.strict:
			return errors.New("is not known")
		case f == nil || d.dec.PeekKind() == 'n':
			err = d.dec.SkipValue()
		case f.list:
			err = d.list(f, m)
		default:
			err = d.single(f, m)
		}
		if err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

// find gives the field of a member's name as JSON; nil if there is none. No name of a field needs escapes.
func (s *shape) find(quoted []byte) *field {
	if f := s.byName[string(quoted[1:len(quoted)-1])]; f != nil || bytes.IndexByte(quoted, '\\') < 0 {
		return f
	}
	plain, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return nil
	}
	return s.byName[string(plain)]
}

func (d *decoder) list(f *field, m protoreflect.Message) error {
	if d.dec.PeekKind() != '[' {
		return d.wrong("an array")
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	list := m.Mutable(f.descriptor).List()
	for kind := d.dec.PeekKind(); kind != ']' && kind != 0; kind = d.dec.PeekKind() {
		if f.message != nil {
			if err := d.object(f.message, list.AppendMutable().Message()); err != nil {
				return err
			}
			continue
		}
		v, err := d.value(f, list.NewElement)
		switch {
		case errors.Is(err, errUnknownValue) && !d.strict: // as if it were not there
		case err != nil:
			return err
		default:
			list.Append(v)
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

func (d *decoder) single(f *field, m protoreflect.Message) error {
	if f.message != nil {
		return d.object(f.message, m.Mutable(f.descriptor).Message())
	}
	v, err := d.value(f, func() protoreflect.Value { return m.NewField(f.descriptor) })
	switch {
	case errors.Is(err, errUnknownValue) && !d.strict: // as if it were not there
		m.Clear(f.descriptor)
	case err != nil:
		return err
	default:
		m.Set(f.descriptor, v)
	}
	return nil
}

// value reads what is no object of ours. empty makes a message of the field's type.
func (d *decoder) value(f *field, empty func() protoreflect.Value) (protoreflect.Value, error) {
	kind := d.dec.PeekKind()
	raw, err := d.dec.ReadValue()
	if err != nil {
		return protoreflect.Value{}, err
	}
	text := string(raw)
	if kind == '"' {
		if text = string(raw[1 : len(raw)-1]); bytes.IndexByte(raw, '\\') >= 0 {
			plain, err := jsontext.AppendUnquote(nil, raw)
			if err != nil {
				return protoreflect.Value{}, err
			}
			text = string(plain)
		}
	}
	want := kindOf(f)
	if kind == 'f' {
		kind = 't'
	}
	if kind != want {
		return protoreflect.Value{}, fmt.Errorf("must be %s", kindNames[want])
	}
	return f.parse(text, empty)
}

var kindNames = map[jsontext.Kind]string{'"': "a string", '0': "a number", 't': "true or false"}

// kindOf is the kind of JSON that a field's values are.
func kindOf(f *field) jsontext.Kind {
	switch f.descriptor.Kind() {
	case protoreflect.BoolKind:
		return 't'
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.EnumKind, protoreflect.MessageKind:
		return '"'
	default:
		return '0'
	}
}

// parse reads a value from its text: that of a JSON value, unquoted, or of a path or a query.
func (f *field) parse(text string, empty func() protoreflect.Value) (v protoreflect.Value, err error) {
	bad := func(want string) (protoreflect.Value, error) { return v, errors.New("must be " + want) }
	switch f.descriptor.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BoolKind:
		if text != "true" && text != "false" {
			return bad("true or false")
		}
		return protoreflect.ValueOfBool(text == "true"), nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return bad("an integer of 32 bits")
		}
		return protoreflect.ValueOfInt32(int32(n)), nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return bad("an integer of 64 bits")
		}
		return protoreflect.ValueOfInt64(n), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return bad("an integer of 32 bits that is not negative")
		}
		return protoreflect.ValueOfUint32(uint32(n)), nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return bad("an integer of 64 bits that is not negative")
		}
		return protoreflect.ValueOfUint64(n), nil
	case protoreflect.FloatKind:
		n, err := strconv.ParseFloat(text, 32)
		if err != nil {
			return bad("a number")
		}
		return protoreflect.ValueOfFloat32(float32(n)), nil
	case protoreflect.DoubleKind:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return bad("a number")
		}
		return protoreflect.ValueOfFloat64(n), nil
	case protoreflect.BytesKind:
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return bad("base64")
		}
		return protoreflect.ValueOfBytes(raw), nil
	case protoreflect.EnumKind:
		n, known := f.byValue[text]
		if !known {
			return v, errUnknownValue
		}
		return protoreflect.ValueOfEnum(n), nil
	default:
		return f.parseTime(text, empty)
	}
}

func (f *field) parseTime(text string, empty func() protoreflect.Value) (protoreflect.Value, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	at := timestamppb.New(t)
	if err != nil || at.CheckValid() != nil { // years 1 to 9999
		return protoreflect.Value{}, errors.New("must be a time in RFC 3339")
	}
	v := empty()
	if stamp, ok := v.Message().Interface().(*timestamppb.Timestamp); ok {
		stamp.Seconds, stamp.Nanos = at.Seconds, at.Nanos
		return v, nil
	}
	fields := v.Message().Descriptor().Fields()
	v.Message().Set(fields.ByName("seconds"), protoreflect.ValueOfInt64(at.Seconds))
	v.Message().Set(fields.ByName("nanos"), protoreflect.ValueOfInt32(at.Nanos))
	return v, nil
}

func (d *decoder) wrong(want string) error {
	if _, err := d.dec.ReadValue(); err != nil {
		return err
	}
	return errors.New("must be " + want)
}
