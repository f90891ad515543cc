package rules

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sidecart/sidecart/services/kit/fault"
	"github.com/sidecart/sidecart/services/kit/suggest"
)

// reader fills Go values from YAML nodes by the tags `yaml`. The library's own decoder stops at the first unknown key, passes over
// numbers that do not fit, takes 1 for true, and gives no columns.
type reader struct{ faults []Fault }

func (r *reader) errorf(n *yaml.Node, place, format string, args ...any) {
	r.faults = append(r.faults, Fault{Line: n.Line, Column: n.Column, Path: place, Message: fmt.Sprintf(format, args...)})
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// into reads n, which stands at place, into v. Where nothing is said (`key:` alone), v stays as it is.
func (r *reader) into(n *yaml.Node, v reflect.Value, place string) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.errorf(n, place, "anchors and aliases are not read here: write it out")
		return
	}
	if n.ShortTag() == "!!null" {
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.into(n, v.Elem(), place)
	case v.Type() == durationType || v.CanAddr() && v.Addr().Type().Implements(textType):
		r.scalar(n, v, place)
	case v.Kind() == reflect.Struct:
		r.mapping(n, place, func(key, value *yaml.Node, at string) {
			if field := fieldOf(v, key.Value); field.IsValid() {
				r.into(value, field, at)
				return
			}
			r.errorf(key, at, "is no key that is read here%s", suggest.Ending(key.Value, keysOf(v.Type())))
		})
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		r.mapping(n, place, func(key, value *yaml.Node, at string) {
			element := reflect.New(v.Type().Elem()).Elem()
			r.into(value, element, at)
			v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), element)
		})
	case v.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			r.errorf(n, place, "want a list")
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			r.into(item, v.Index(i), place+fault.At(i))
		}
	default:
		r.scalar(n, v, place)
	}
}

// mapping gives each key and value with its place, once each.
func (r *reader) mapping(n *yaml.Node, place string, each func(key, value *yaml.Node, at string)) {
	if n.Kind != yaml.MappingNode {
		r.errorf(n, place, "want keys with values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := place + fault.At(key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.ShortTag() == "!!merge":
			r.errorf(key, place, "want plain names as keys, written out")
		case seen[key.Value]:
			r.errorf(key, at, "stands here twice")
		default:
			each(key, n.Content[i+1], at)
		}
		seen[key.Value] = true
	}
}

// scalar reads one value.
func (r *reader) scalar(n *yaml.Node, v reflect.Value, place string) {
	if n.Kind != yaml.ScalarNode {
		r.errorf(n, place, "want one value")
		return
	}
	if want := assign(n, v); want != "" {
		r.errorf(n, place, "want %s", want)
	}
}

// assign sets v to n's value, or says what is wanted instead.
func assign(n *yaml.Node, v reflect.Value) (want string) {
	tag := n.ShortTag()
	if v.Type() == durationType {
		d, err := time.ParseDuration(n.Value)
		if err != nil {
			return "a duration such as 500ms, 30s or 5m"
		}
		v.SetInt(int64(d))
		return ""
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := t.UnmarshalText([]byte(n.Value)); err != nil {
			return err.Error()
		}
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		if tag == "!!bool" {
			return fmt.Sprintf("text: put %s in quotes if that is what is meant", n.Value)
		}
		v.SetString(n.Value) // a version 1.40 is text, whatever YAML takes it for
	case reflect.Bool:
		var b bool
		if tag != "!!bool" || n.Decode(&b) != nil {
			return "true or false"
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		var i int64
		if tag != "!!int" || n.Decode(&i) != nil || v.OverflowInt(i) {
			return "a whole number"
		}
		v.SetInt(i)
	case reflect.Float64:
		var f float64
		if tag != "!!int" && tag != "!!float" || n.Decode(&f) != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return "a number"
		}
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("rules: a %s cannot be read from YAML", v.Type())) // see TestEveryTypeCanBeRead
	}
	return ""
}

// fieldOf is the field of a struct that has the key, also of a struct inside it that is marked inline.
func fieldOf(v reflect.Value, key string) reflect.Value {
	for i := range v.NumField() {
		name, inline := tagOf(v.Type().Field(i))
		if inline {
			if f := fieldOf(v.Field(i), key); f.IsValid() {
				return f
			}
		} else if name == key && name != "" {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// keysOf lists the keys of a struct, by name.
func keysOf(t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		if name, inline := tagOf(t.Field(i)); inline {
			keys = append(keys, keysOf(t.Field(i).Type)...)
		} else if name != "" {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	return keys
}

func tagOf(f reflect.StructField) (name string, inline bool) {
	name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name, options == "inline"
}
