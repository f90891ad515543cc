package bridge

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

const timestamp = "google.protobuf.Timestamp"

// shape is how a message is written as JSON. It is made once and not changed; shapes may contain themselves.
type shape struct {
	fields []field // in the order of the .proto file
	byName map[string]*field
}

// field is one member.
type field struct {
	descriptor protoreflect.FieldDescriptor
	name       string
	member     string // the name as JSON with its colon
	list       bool
	optional   bool // left out when it is not set
	time       bool
	message    *shape   // of a message that is no time
	values     []string // of an enum by number, "" for what is not said
	byValue    map[string]protoreflect.EnumNumber
}

// shapes makes and keeps the shapes of messages.
type shapes map[protoreflect.FullName]*shape

// maxEnumNumber bounds the numbers of an enum, which are kept as an array.
const maxEnumNumber = 1024

// of gives the shape of a message, or says what in it has no JSON here.
func (s shapes) of(d protoreflect.MessageDescriptor) (*shape, error) {
	if known := s[d.FullName()]; known != nil {
		return known, nil
	}
	out := &shape{byName: map[string]*field{}}
	s[d.FullName()] = out // before its fields, which may be of the same message
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		f, err := s.field(fd)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fd.FullName(), err)
		}
		out.fields = append(out.fields, f)
	}
	for i := range out.fields {
		out.byName[out.fields[i].name] = &out.fields[i]
	}
	return out, nil
}

func (s shapes) field(fd protoreflect.FieldDescriptor) (f field, err error) {
	name := string(fd.Name())
	f = field{descriptor: fd, name: name, member: `"` + name + `":`, list: fd.IsList(), optional: fd.HasPresence()}
	if oneof := fd.ContainingOneof(); fd.IsMap() || oneof != nil && !oneof.IsSynthetic() || fd.IsExtension() {
		return f, fmt.Errorf("maps, oneofs and extensions have no JSON here")
	}
	switch fd.Kind() {
	case protoreflect.GroupKind:
		return f, fmt.Errorf("groups have no JSON here")
	case protoreflect.MessageKind:
		if f.time = fd.Message().FullName() == timestamp; !f.time {
			if strings.HasPrefix(string(fd.Message().FullName()), "google.protobuf.") {
				return f, fmt.Errorf("%s has no JSON here", fd.Message().FullName())
			}
			f.message, err = s.of(fd.Message())
		}
	case protoreflect.EnumKind:
		f.byValue = map[string]protoreflect.EnumNumber{}
		values := fd.Enum().Values()
		prefix := upperSnake(string(fd.Enum().Name())) + "_"
		for i := range values.Len() {
			v := values.Get(i)
			if v.Number() < 0 || v.Number() > maxEnumNumber {
				return f, fmt.Errorf("the number of %s is not from 0 to %d", v.FullName(), maxEnumNumber)
			}
			if v.Number() == 0 {
				continue
			}
			for len(f.values) <= int(v.Number()) {
				f.values = append(f.values, "")
			}
			text := strings.ToLower(strings.TrimPrefix(string(v.Name()), prefix))
			f.values[v.Number()], f.byValue[text] = text, v.Number()
		}
	}
	return f, err
}

// upperSnake writes CancelReason as CANCEL_REASON.
func upperSnake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}
