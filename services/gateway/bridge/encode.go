package bridge

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// appendMessage appends m as JSON, without the fields in leaveOut. It fails where a value has no JSON.
func (s *shape) appendMessage(b []byte, m protoreflect.Message, leaveOut map[string]bool) ([]byte, error) {
	b = append(b, '{')
	empty := len(b)
	for i := range s.fields {
		f := &s.fields[i]
		if leaveOut[f.name] || f.optional && !m.Has(f.descriptor) {
			continue
		}
		v := m.Get(f.descriptor)
		if f.byValue != nil && !f.list && f.valueOf(v.Enum()) == "" {
			continue // nothing is said
		}
		if len(b) > empty {
			b = append(b, ',')
		}
		b = append(b, f.member...)
		var err error
		if b, err = f.appendField(b, v); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func (f *field) appendField(b []byte, v protoreflect.Value) ([]byte, error) {
	if !f.list {
		return f.appendValue(b, v)
	}
	b = append(b, '[')
	list, empty := v.List(), len(b)
	for i := range list.Len() {
		if f.byValue != nil && f.valueOf(list.Get(i).Enum()) == "" {
			continue // nothing is said
		}
		if len(b) > empty {
			b = append(b, ',')
		}
		var err error
		if b, err = f.appendValue(b, list.Get(i)); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (f *field) appendValue(b []byte, v protoreflect.Value) ([]byte, error) {
	switch f.descriptor.Kind() {
	case protoreflect.StringKind:
		out, err := jsontext.AppendQuote(b, v.String())
		if err != nil {
			return nil, fmt.Errorf("%s: is not valid UTF-8", f.name)
		}
		return out, nil
	case protoreflect.MessageKind:
		if f.time {
			return f.appendTime(b, v.Message())
		}
		return f.message.appendMessage(b, v.Message(), nil)
	case protoreflect.EnumKind:
		return strconv.AppendQuote(b, f.valueOf(v.Enum())), nil
	case protoreflect.BytesKind:
		b = append(base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes()), '"')
		return b, nil
	}
	return f.appendScalar(b, v)
}

// appendScalar appends a number or a truth value, which looks the same in a query.
func (f *field) appendScalar(b []byte, v protoreflect.Value) ([]byte, error) {
	switch f.descriptor.Kind() {
	case protoreflect.BoolKind:
		return strconv.AppendBool(b, v.Bool()), nil
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return nil, fmt.Errorf("%s: is not a finite number", f.name)
		}
		bits := 64
		if f.descriptor.Kind() == protoreflect.FloatKind {
			bits = 32
		}
		return strconv.AppendFloat(b, v.Float(), 'g', -1, bits), nil
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(b, v.Uint(), 10), nil
	default:
		return strconv.AppendInt(b, v.Int(), 10), nil
	}
}

func (f *field) appendTime(b []byte, m protoreflect.Message) ([]byte, error) {
	t, ok := m.Interface().(*timestamppb.Timestamp)
	if !ok { // a message made from a descriptor alone
		fields := m.Descriptor().Fields()
		t = &timestamppb.Timestamp{Seconds: m.Get(fields.ByName("seconds")).Int(), Nanos: int32(m.Get(fields.ByName("nanos")).Int())} //nolint:gosec // an int32
	}
	if err := t.CheckValid(); err != nil {
		return nil, errors.New(f.name + ": is not a time")
	}
	b = t.AsTime().AppendFormat(append(b, '"'), time.RFC3339Nano)
	return append(b, '"'), nil
}

// valueOf is the text of an enum's number; "" for one that is not known.
func (f *field) valueOf(n protoreflect.EnumNumber) string {
	if n < 0 || int(n) >= len(f.values) {
		return ""
	}
	return f.values[n]
}

// text is a scalar as it stands in a path or a query.
func (f *field) text(v protoreflect.Value) (string, error) {
	switch f.descriptor.Kind() {
	case protoreflect.StringKind:
		return v.String(), nil
	case protoreflect.EnumKind:
		return f.valueOf(v.Enum()), nil
	}
	b, err := f.appendScalar(nil, v)
	return string(b), err
}
