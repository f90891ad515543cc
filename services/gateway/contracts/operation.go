package contracts

import (
	"fmt"
	"slices"
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
	Segments []string // of the template, split at the slashes

	op *openapi3.Operation
}

// newOperation compiles an operation of a path item.
func newOperation(service, method, template string, _ *openapi3.PathItem, op *openapi3.Operation) (*Operation, error) {
	roles, err := rolesOf(op)
	if err != nil {
		return nil, err
	}
	return &Operation{
		Service: service, Method: method, Template: template, ID: op.OperationID, Roles: roles, Segments: split(template), op: op,
	}, nil
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
		if !slices.Contains([]string{identity.Anyone, identity.RoleCustomer, identity.RoleOperator, identity.RoleService}, role) {
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
	answer := o.op.Responses.Status(status)
	if answer == nil || answer.Value == nil {
		return nil
	}
	for mediaType, media := range answer.Value.Content {
		if isJSON(mediaType) {
			return media.Schema
		}
	}
	return nil
}

// isJSON tells whether a media type is JSON or has its syntax.
func isJSON(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	base = strings.TrimSpace(base)
	return base == "application/json" || strings.HasSuffix(base, "+json")
}
