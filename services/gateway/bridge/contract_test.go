package bridge

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sidecart/sidecart/services/inventory/inventorypb"
	"github.com/sidecart/sidecart/services/order/orderpb"
)

var files = map[string]protoreflect.FileDescriptor{
	"inventory": inventorypb.File_inventory_inventorypb_inventory_proto,
	"order":     orderpb.File_order_orderpb_order_proto,
}

func contractOf(t testing.TB, service string) *openapi3.T {
	raw, err := os.ReadFile("../../" + service + "/openapi.yaml")
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	require.NoError(t, err)
	return doc
}

// TestTheProtoFilesSayWhatTheContractsSay holds the two descriptions of a service together: every operation is a method, every
// parameter and property a field, of the same type and needed or not alike, and nothing else is there. What .proto files cannot say is
// what values are allowed (lengths, patterns, minima): the gateway checks those on every call, by the contract.
func TestTheProtoFilesSayWhatTheContractsSay(t *testing.T) {
	for service, file := range files {
		t.Run(service, func(t *testing.T) {
			for _, wrong := range differences(t, contractOf(t, service), file) {
				t.Error(wrong)
			}
		})
	}
}

// The comparison finds what it is there for.
func TestTheComparisonFindsDifferences(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*openapi3.T)
		want   string
	}{
		"an operation more": {func(d *openapi3.T) {
			d.Paths.Value("/v1/orders/{id}").Delete = &openapi3.Operation{OperationID: "deleteOrder", Responses: openapi3.NewResponses()}
		}, "deleteOrder: no method"},
		"an operation less": {func(d *openapi3.T) { d.Paths.Value("/v1/orders/{id}").Get = nil }, "GetOrder: no operation"},
		"another path": {func(d *openapi3.T) {
			d.Paths.Set("/v1/order/{id}", d.Paths.Value("/v1/orders/{id}"))
			d.Paths.Delete("/v1/orders/{id}")
		}, "getOrder: GET /v1/order/{id} is GET /v1/orders/{id} in the .proto file"},
		"a property more":   {func(d *openapi3.T) { schema(d, "Order").WithProperty("weight", openapi3.NewInt64Schema()) }, "Order: no field weight"},
		"a property less":   {func(d *openapi3.T) { delete(schema(d, "Order").Properties, "customer") }, "Order: no property customer"},
		"another type":      {func(d *openapi3.T) { schema(d, "Money").WithProperty("amount", openapi3.NewStringSchema()) }, "Money.amount: string is int64 in the .proto file"},
		"a wider number":    {func(d *openapi3.T) { schema(d, "Line").Properties["quantity"].Value.Max = nil }, "Line.quantity: an integer without bounds does not fit into int32"},
		"a narrower number": {func(d *openapi3.T) { schema(d, "Money").Properties["amount"].Value.Format = "int32" }, "Money.amount: int32 is int64 in the .proto file"},
		"no more required":  {func(d *openapi3.T) { schema(d, "Order").Required = []string{"id"} }, "Order.status: is not required, so its field must be optional"},
		"now required": {func(d *openapi3.T) {
			schema(d, "Order").Required = append(schema(d, "Order").Required, "cancel_reason")
		}, "Order.cancel_reason: is required, so its field must not be optional"},
		"another status": {func(d *openapi3.T) {
			s := schema(d, "Order").Properties["status"].Value
			s.Enum = append(s.Enum, "shipped")
		}, "Order.status: the values"},
		"not a list any more": {func(d *openapi3.T) {
			schema(d, "OrderList").Properties["items"] = openapi3.NewSchemaRef("", schema(d, "Order"))
		}, "OrderList.items: the one is a list"},
		"a parameter more": {func(d *openapi3.T) {
			op := d.Paths.Value("/v1/orders").Get
			op.Parameters = append(op.Parameters, &openapi3.ParameterRef{Value: openapi3.NewQueryParameter("since").WithSchema(openapi3.NewStringSchema())})
		}, "listOrders: no field since"},
		"a body more": {func(d *openapi3.T) {
			d.Paths.Value("/v1/orders/{id}/cancel").Post.RequestBody = d.Paths.Value("/v1/orders/{id}/payment").Post.RequestBody
		}, "cancelOrder: has a body"},
	} {
		t.Run(name, func(t *testing.T) {
			d := contractOf(t, "order")
			tc.change(d)
			assert.Contains(t, strings.Join(differences(t, d, files["order"]), "\n"), tc.want)
		})
	}
}

func schema(d *openapi3.T, name string) *openapi3.Schema { return d.Components.Schemas[name].Value }

type comparison struct {
	found []string
	seen  map[string]bool
}

func (c *comparison) say(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

func differences(t testing.TB, doc *openapi3.T, file protoreflect.FileDescriptor) []string {
	bindings, err := Bind(file)
	require.NoError(t, err)
	c := &comparison{seen: map[string]bool{}}
	methods := map[string]*Binding{}
	for _, b := range bindings {
		methods[b.Method] = b
	}
	for path, item := range doc.Paths.Map() {
		for verb, op := range item.Operations() {
			method := strings.ToUpper(op.OperationID[:1]) + op.OperationID[1:]
			b := methods[method]
			if b == nil {
				c.say("%s: no method %s", op.OperationID, method)
				continue
			}
			delete(methods, method)
			if b.Verb != verb || b.Template != path {
				c.say("%s: %s %s is %s %s in the .proto file", op.OperationID, verb, path, b.Verb, b.Template)
			}
			c.operation(item, op, b)
		}
	}
	for method := range methods {
		c.say("%s: no operation", method)
	}
	return c.found
}

// operation compares what goes in and what comes out.
func (c *comparison) operation(item *openapi3.PathItem, op *openapi3.Operation, b *Binding) {
	request := openapi3.NewObjectSchema()
	for _, p := range slices.Concat(item.Parameters, op.Parameters) {
		if p.Value.In == "header" { // is metadata of the same name
			continue
		}
		request.Properties[p.Value.Name] = p.Value.Schema
		if p.Value.Required {
			request.Required = append(request.Required, p.Value.Name)
		}
	}
	if (op.RequestBody != nil) != b.hasBody {
		c.say("%s: has a body: %v; in the .proto file: %v", op.OperationID, op.RequestBody != nil, b.hasBody)
	}
	if op.RequestBody != nil {
		body := op.RequestBody.Value.Content.Get("application/json").Schema.Value
		maps.Copy(request.Properties, body.Properties)
		request.Required = append(request.Required, body.Required...)
	}
	c.message(op.OperationID, request, b.input.Descriptor())
	for status, answer := range op.Responses.Map() {
		if media := answer.Value.Content.Get("application/json"); strings.HasPrefix(status, "2") && media != nil {
			name := string(b.output.Descriptor().Name())
			if !strings.HasSuffix(media.Schema.Ref, "/"+name) {
				c.say("%s: answers with %s, which is %s in the .proto file", op.OperationID, media.Schema.Ref, name)
			}
			c.message(name, media.Schema.Value, b.output.Descriptor())
		}
	}
}

func (c *comparison) message(name string, s *openapi3.Schema, d protoreflect.MessageDescriptor) {
	if c.seen[name] {
		return
	}
	c.seen[name] = true
	for _, property := range slices.Sorted(maps.Keys(s.Properties)) {
		fd := d.Fields().ByName(protoreflect.Name(property))
		if fd == nil {
			c.say("%s: no field %s", name, property)
			continue
		}
		c.field(name+"."+property, s.Properties[property].Value, slices.Contains(s.Required, property), fd)
	}
	for i := range d.Fields().Len() {
		if fd := d.Fields().Get(i); s.Properties[string(fd.Name())] == nil {
			c.say("%s: no property %s", name, fd.Name())
		}
	}
}

func (c *comparison) field(name string, s *openapi3.Schema, required bool, fd protoreflect.FieldDescriptor) {
	if s.Type.Is("array") != fd.IsList() {
		c.say("%s: the one is a list and the other is not", name)
		return
	}
	if fd.IsList() {
		s, required = s.Items.Value, true // a list that is not there is an empty one
	}
	plain := fd.Kind() != protoreflect.MessageKind
	switch {
	case required && plain && fd.HasPresence():
		c.say("%s: is required, so its field must not be optional", name)
	case !required && plain && !fd.HasPresence():
		c.say("%s: is not required, so its field must be optional", name)
	}
	if want, have := typeOfSchema(s), typeOfField(fd); want != have && (want != "integer" || have != "int32") {
		c.say("%s: %s is %s in the .proto file", name, want, have)
		return
	}
	switch {
	case fd.Kind() == protoreflect.EnumKind:
		c.enum(name, s, fd)
	case fd.Kind() == protoreflect.Int32Kind && (s.Max == nil || *s.Max > math.MaxInt32 || s.Min == nil || *s.Min < math.MinInt32):
		c.say("%s: an integer without bounds does not fit into int32", name)
	case typeOfField(fd) == "object":
		c.message(string(fd.Message().FullName()), s, fd.Message())
	}
}

func (c *comparison) enum(name string, s *openapi3.Schema, fd protoreflect.FieldDescriptor) {
	f, err := shapes{}.field(fd)
	if err != nil {
		c.say("%s: %v", name, err)
		return
	}
	var want []string
	for _, v := range s.Enum {
		want = append(want, v.(string))
	}
	slices.Sort(want)
	if have := slices.Sorted(maps.Keys(f.byValue)); !slices.Equal(want, have) {
		c.say("%s: the values %v are %v in the .proto file", name, want, have)
	}
}

func typeOfSchema(s *openapi3.Schema) string {
	switch {
	case s.Type.Is("string") && len(s.Enum) > 0:
		return "enum"
	case s.Type.Is("string") && s.Format == "date-time":
		return "time"
	case s.Type.Is("integer") && s.Format != "":
		return s.Format
	case s.Type.Is("integer"):
		return "integer"
	case s.Type.Is("number"):
		return "double"
	case s.Type.Is("boolean"):
		return "bool"
	case s.Type.Is("object"):
		return "object"
	}
	return "string"
}

func typeOfField(fd protoreflect.FieldDescriptor) string {
	if fd.Kind() != protoreflect.MessageKind {
		return fd.Kind().String()
	}
	if fd.Message().FullName() == timestamp {
		return "time"
	}
	return "object"
}
