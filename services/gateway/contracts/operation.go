package contracts

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidecart/sidecart/services/kit/identity"
)

// extensionRoles says, on an operation, who may call it.
const extensionRoles = "x-roles"

// Operation is one operation of a contract, compiled. It is immutable.
type Operation struct {
	Service  string   // that answers
	Method   string   // upper case
	Template string   // "/v1/orders/{id}"
	ID       string   // operationId; "" if the contract gives none
	Roles    []string // who may call it; an operation that does not say is for operators
	Silent   bool     // no operation of its contract says who may call it: the contract is of a release from before accounts
	Segments []string // of the template, split at the slashes
	// Via reaches the service; nil: the host's own way does. It is set before the operation is in use.
	Via http.RoundTripper

	op         *openapi3.Operation
	item       openapi3.Parameters // of the path, for all its operations
	parameters parameters
	body       body
	answers    map[string]answer // by status: "201", "4XX", "default"
}

// body is what an operation says of a request's.
type body struct {
	said     bool // it takes one
	required bool
	json     bool // JSON is among what it takes
	others   []string
	schema   *schema // of the JSON
}

// answer is what an operation says of answers with a status.
type answer struct {
	types  []string // media types; none: no body
	schema *schema  // of the JSON among them
}

// newOperation compiles an operation of a path item.
func newOperation(c compiler, service, method, template string, item *openapi3.PathItem, op *openapi3.Operation) (*Operation, error) {
	roles, err := rolesOf(op)
	if err != nil {
		return nil, err
	}
	o := &Operation{
		Service: service, Method: method, Template: template, ID: op.OperationID, Roles: roles, Silent: op.Extensions[extensionRoles] == nil, Segments: split(template), op: op, item: item.Parameters, answers: map[string]answer{},
	}
	if o.parameters, err = newParameters(c, o.Segments, op.Parameters, item.Parameters); err != nil {
		return nil, err
	}
	if op.RequestBody != nil && op.RequestBody.Value != nil {
		o.body = body{said: true, required: op.RequestBody.Value.Required}
		for mediaType, media := range op.RequestBody.Value.Content {
			if !isJSON(mediaType) {
				o.body.others = append(o.body.others, mediaType)
				continue
			}
			o.body.json = true
			if o.body.schema, err = c.compile(media.Schema); err != nil {
				return nil, fmt.Errorf("body: %w", err)
			}
		}
	}
	for status, ref := range op.Responses.Map() {
		if !aStatus.MatchString(status) {
			return nil, fmt.Errorf("answer %q is neither a status such as 404 or 4XX nor default", status)
		}
		var a answer
		for mediaType, media := range ref.Value.Content {
			a.types = append(a.types, mediaType)
			if isJSON(mediaType) {
				if a.schema, err = c.compile(media.Schema); err != nil {
					return nil, fmt.Errorf("answer %s: %w", status, err)
				}
			}
		}
		o.answers[strings.ToUpper(status)] = a
	}
	return o, nil
}

// aStatus is what OpenAPI 3.0 lets answers be named by; in lower case, too, as kin-openapi reads it.
var aStatus = regexp.MustCompile(`^([1-5]([0-9]{2}|XX|xx)|default)$`)

// NewOperation makes an operation that no contract has, for what the gateway offers of its own accord. Nothing is checked of
// its requests and answers.
func NewOperation(service, method, template, id string, roles []string) *Operation {
	return &Operation{
		Service: service, Method: method, Template: template, ID: id, Roles: roles, Segments: split(template), op: &openapi3.Operation{},
	}
}

// rolesOf reads x-roles.
func rolesOf(op *openapi3.Operation) ([]string, error) {
	said, there := op.Extensions[extensionRoles]
	if !there {
		return []string{identity.RoleOperator}, nil
	}
	list, _ := said.([]any)
	roles := make([]string, 0, len(list))
	for _, v := range list {
		role, _ := v.(string)
		if role != identity.Anyone && !identity.ValidRole(role) {
			return nil, fmt.Errorf("%s names %v; there are anyone, customer, operator and service", extensionRoles, v)
		}
		roles = append(roles, role)
	}
	if len(roles) == 0 {
		return nil, fmt.Errorf("%s must be a list of at least one role", extensionRoles)
	}
	return roles, nil
}

// Open tells whether nobody has to sign in for it.
func (o *Operation) Open() bool { return slices.Contains(o.Roles, identity.Anyone) }

// String names the operation in logs.
func (o *Operation) String() string { return o.Method + " " + o.Template }

// Answer is the schema of the JSON body that the operation answers a status with; nil if the contract says none.
func (o *Operation) Answer(status int) *openapi3.SchemaRef {
	if o.op.Responses == nil {
		return nil
	}
	ref := o.op.Responses.Status(status)
	if ref == nil || ref.Value == nil {
		return nil
	}
	for mediaType, media := range ref.Value.Content {
		if isJSON(mediaType) {
			return media.Schema
		}
	}
	return nil
}

// Successes are the schemas of the JSON bodies that the operation answers with when it succeeds.
func (o *Operation) Successes() []*openapi3.Schema {
	var out []*openapi3.Schema
	for _, status := range [...]int{http.StatusOK, http.StatusCreated, http.StatusAccepted} {
		if ref := o.Answer(status); ref != nil && ref.Value != nil {
			out = append(out, ref.Value)
		}
	}
	return out
}

// Parameters are those of the operation and of its path, as the contract has them.
func (o *Operation) Parameters() openapi3.Parameters { return slices.Concat(o.op.Parameters, o.item) }

// answerTo is what the contract says of a status.
func (o *Operation) answerTo(status int) (answer, bool) {
	for _, key := range [...]string{strconv.Itoa(status), strconv.Itoa(status/100) + "XX", "DEFAULT"} {
		if a, ok := o.answers[key]; ok {
			return a, true
		}
	}
	return answer{}, false
}

// isJSON tells whether a media type is JSON or has its syntax.
func isJSON(mediaType string) bool {
	base := plainType(mediaType)
	return base == "application/json" || strings.HasSuffix(base, "+json")
}

// plainType is a media type without its parameters.
func plainType(mediaType string) string {
	base, _, _ := strings.Cut(mediaType, ";")
	return strings.ToLower(strings.TrimSpace(base))
}
