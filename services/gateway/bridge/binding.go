package bridge

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Binding is a gRPC method and the HTTP operation that it is. It is not changed once it is made.
type Binding struct {
	Service  protoreflect.FullName // "sidecart.order.v1.OrderService"
	Method   string                // "PlaceOrder"
	Verb     string                // "POST"
	Template string                // "/v1/orders/{id}"

	segments      []segment
	query         []*field // what is neither in the path nor in the body
	hasBody       bool
	inPath        map[string]bool
	input, output protoreflect.MessageType
	in, out       *shape
}

// segment of a template: a literal, or a field of the request.
type segment struct {
	literal string
	field   *field
}

// FullMethod is the method's name on the wire.
func (b *Binding) FullMethod() string { return "/" + string(b.Service) + "/" + b.Method }

// Bind reads the bindings of all methods of the services in files. It fails where a method has none, streams, or has a message
// that has no JSON here.
func Bind(files ...protoreflect.FileDescriptor) ([]*Binding, error) {
	known := shapes{}
	var out []*Binding
	for _, file := range files {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				b, err := bind(service.Methods().Get(j), known)
				if err != nil {
					return nil, fmt.Errorf("bridge: %s: %w", service.Methods().Get(j).FullName(), err)
				}
				out = append(out, b)
			}
		}
	}
	return out, nil
}

// Find binds the method that google.api.http says is the operation of a contract; parameters in the path may be called otherwise there.
// It fails where no method is, or one that Bind would refuse.
func Find(files *protoregistry.Files, verb, template string) (found *Binding, err error) {
	wanted := placeholders.ReplaceAllString(template, "{}")
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				rule, _ := httpRule(methods.Get(j))
				v, t := ruleOf(rule)
				if v != verb || placeholders.ReplaceAllString(t, "{}") != wanted {
					continue
				}
				if found != nil {
					err = fmt.Errorf("%s is it as well as %s.%s", methods.Get(j).FullName(), found.Service, found.Method)
					return false
				}
				if found, err = bind(methods.Get(j), shapes{}); err != nil {
					err = fmt.Errorf("%s: %w", methods.Get(j).FullName(), err)
					return false
				}
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, errors.New("no method has an option google.api.http that says it is this operation")
	}
	return found, nil
}

// placeholders are the fields in a template.
var placeholders = regexp.MustCompile(`\{[^}]*\}`)

func bind(m protoreflect.MethodDescriptor, known shapes) (*Binding, error) {
	if m.IsStreamingClient() || m.IsStreamingServer() {
		return nil, fmt.Errorf("streams have no JSON here")
	}
	rule, err := httpRule(m)
	if err != nil {
		return nil, err
	}
	verb, template := ruleOf(rule)
	if template == "" {
		return nil, fmt.Errorf("has no option google.api.http with get, put, post, patch or delete")
	}
	if len(rule.GetAdditionalBindings()) > 0 || rule.GetResponseBody() != "" || rule.GetBody() != "" && rule.GetBody() != "*" {
		return nil, fmt.Errorf("google.api.http: additional_bindings, response_body and a body other than * are not read here")
	}
	b := &Binding{
		Service: m.Parent().FullName(), Method: string(m.Name()), Verb: verb, Template: template, hasBody: rule.GetBody() == "*",
		inPath: map[string]bool{}, input: typeOf(m.Input()), output: typeOf(m.Output()),
	}
	if b.in, err = known.of(m.Input()); err != nil {
		return nil, err
	}
	if b.out, err = known.of(m.Output()); err != nil {
		return nil, err
	}
	return b, b.route()
}

// httpRule reads a method's option google.api.http; nil if it has none. The options are encoded and decoded once more, because those
// of a descriptor that was not generated are of another Go type.
func httpRule(m protoreflect.MethodDescriptor) (*annotations.HttpRule, error) {
	raw, err := proto.Marshal(m.Options())
	if err != nil {
		return nil, err
	}
	options := &descriptorpb.MethodOptions{}
	if err := proto.Unmarshal(raw, options); err != nil {
		return nil, err
	}
	rule, _ := proto.GetExtension(options, annotations.E_Http).(*annotations.HttpRule)
	return rule, nil
}

// ruleOf gives the verb and the template of a rule.
func ruleOf(rule *annotations.HttpRule) (verb, template string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	}
	return "", ""
}

// typeOf is the generated type of a message, which is faster, or one made from its descriptor.
func typeOf(d protoreflect.MessageDescriptor) protoreflect.MessageType {
	if t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName()); err == nil && t.Descriptor() == d {
		return t
	}
	return dynamicpb.NewMessageType(d)
}

// route takes the template apart and says where each field of the request goes.
func (b *Binding) route() error {
	for text := range strings.SplitSeq(strings.TrimPrefix(b.Template, "/"), "/") {
		name, isField := strings.CutPrefix(text, "{")
		if !isField {
			b.segments = append(b.segments, segment{literal: text})
			continue
		}
		f := b.in.byName[strings.TrimSuffix(name, "}")]
		if f == nil || !strings.HasSuffix(name, "}") || f.list || f.message != nil || f.time || f.optional {
			return fmt.Errorf("google.api.http: %q must name a plain field of the request", text)
		}
		b.segments, b.inPath[f.name] = append(b.segments, segment{field: f}), true
	}
	if b.hasBody {
		return nil
	}
	for i := range b.in.fields {
		f := &b.in.fields[i]
		if b.inPath[f.name] {
			continue
		}
		if f.message != nil || f.time {
			return fmt.Errorf("the field %s can be neither in the path nor in the query", f.name)
		}
		b.query = append(b.query, f)
	}
	return nil
}

// url is that of a call.
func (b *Binding) url(m protoreflect.Message) (*url.URL, error) {
	var path, raw strings.Builder
	for _, s := range b.segments {
		text := s.literal
		if s.field != nil {
			var err error
			if text, err = s.field.text(m.Get(s.field.descriptor)); err != nil {
				return nil, err
			}
			if text == "" {
				return nil, fmt.Errorf("%s: must not be empty", s.field.name)
			}
		}
		path.WriteString("/" + text)
		raw.WriteString("/" + url.PathEscape(text))
	}
	u := &url.URL{Path: path.String(), RawPath: raw.String()}
	if len(b.query) == 0 {
		return u, nil
	}
	query := url.Values{}
	for _, f := range b.query {
		if f.optional && !m.Has(f.descriptor) {
			continue
		}
		if !f.list {
			text, err := f.text(m.Get(f.descriptor))
			if err != nil {
				return nil, err
			}
			query.Set(f.name, text)
			continue
		}
		list := m.Get(f.descriptor).List()
		for i := range list.Len() {
			text, err := f.text(list.Get(i))
			if err != nil {
				return nil, err
			}
			query.Add(f.name, text)
		}
	}
	u.RawQuery = query.Encode()
	return u, nil
}
