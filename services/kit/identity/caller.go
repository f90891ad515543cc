package identity

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Roles. What a role may is said by the contracts of the services, operation by operation.
const (
	RoleCustomer = "customer" // buys, and sees what is its own
	RoleOperator = "operator" // runs the shop of its tenant
	RoleService  = "service"  // a program that acts for the shop
	Anyone       = "anyone"   // in contracts: no token is needed. Of callers, only Nobody has it
)

// Headers that carry a Caller from the gateway to the services. Elements of a list are separated by commas; each value is
// percent-encoded, because a subject of another issuer may hold any character.
const (
	HeaderSubject = "Sidecart-Subject"
	HeaderTenant  = "Sidecart-Tenant"
	HeaderRoles   = "Sidecart-Roles"
	HeaderGroups  = "Sidecart-Groups"
)

// Headers lists them, for whoever strips what comes from outside.
func Headers() []string { return []string{HeaderSubject, HeaderTenant, HeaderRoles, HeaderGroups} }

// Bounds of a Caller. A token that goes beyond them is refused, so its headers stay below 8 KiB in the worst encoding.
const (
	MaxSubjectBytes = 128 // as many as an order's customer may have
	MaxTenantBytes  = 64
	MaxRoles        = 16
	MaxGroups       = 32
	maxNameBytes    = 64 // of one role or group
)

// Caller is who asks. It is immutable: its lists are shared between requests and must not be changed.
type Caller struct {
	Subject string // unique over all issuers, printable ASCII; "" of Nobody
	Tenant  string // lower-case letters, digits and dashes; "" is the shop itself, and all there is where nobody names tenants
	Roles   []string
	Groups  []string // of another issuer's token, for gray rules; ours have none
}

// Nobody is who has not signed in, as the gateway tells it to services. The zero Caller is another thing: of that nothing
// was said at all (see Of).
func Nobody() Caller { return Caller{Roles: []string{Anyone}} }

// Known tells whether the caller has said, and proved, who they are.
func (c Caller) Known() bool { return c.Subject != "" }

// Has tells whether the caller has the role.
func (c Caller) Has(role string) bool { return slices.Contains(c.Roles, role) }

// Allowed tells whether the caller may do what an operation's x-roles open to roles. Anyone among them lets everybody in.
func (c Caller) Allowed(roles []string) bool {
	return slices.Contains(roles, Anyone) || slices.ContainsFunc(roles, c.Has)
}

// Put writes the caller into h in the place of whoever was there; the zero Caller leaves none of the headers.
func (c Caller) Put(h http.Header) {
	for _, name := range [...]string{HeaderSubject, HeaderTenant, HeaderRoles, HeaderGroups} {
		delete(h, name)
	}
	if c.Subject != "" {
		h[HeaderSubject] = []string{url.PathEscape(c.Subject)}
	}
	if c.Tenant != "" {
		h[HeaderTenant] = []string{url.PathEscape(c.Tenant)}
	}
	if len(c.Roles) > 0 {
		h[HeaderRoles] = []string{encodeList(c.Roles)}
	}
	if len(c.Groups) > 0 {
		h[HeaderGroups] = []string{encodeList(c.Groups)}
	}
}

// FromHeader reads what Put has written. It is false, with the zero Caller, when none of the headers is there. Headers that
// Put would not have written are Nobody's: half a caller must be neither somebody nor a service from inside.
func FromHeader(h http.Header) (c Caller, named bool) {
	var ok [4]bool
	c.Subject, ok[0] = decodeOne(h[HeaderSubject], MaxSubjectBytes)
	c.Tenant, ok[1] = decodeOne(h[HeaderTenant], MaxTenantBytes)
	c.Roles, ok[2] = decodeList(h[HeaderRoles], MaxRoles)
	c.Groups, ok[3] = decodeList(h[HeaderGroups], MaxGroups)
	switch {
	case ok != [4]bool{true, true, true, true}:
		return Nobody(), true
	case c.Subject != "":
		return c, true
	case c.Tenant == "" && c.Roles == nil && c.Groups == nil:
		return Caller{}, false
	default:
		return Nobody(), true
	}
}

// encodeList relies on PathEscape, which escapes commas.
func encodeList(list []string) string {
	if len(list) == 1 {
		return url.PathEscape(list[0])
	}
	escaped := make([]string, len(list))
	for i, s := range list {
		escaped[i] = url.PathEscape(s)
	}
	return strings.Join(escaped, ",")
}

// decodeOne reads a header that may be absent, and says something if it is not.
func decodeOne(values []string, maxBytes int) (string, bool) {
	if len(values) == 0 {
		return "", true
	}
	s, err := url.PathUnescape(values[0])
	return s, err == nil && len(values) == 1 && s != "" && len(s) <= maxBytes
}

// decodeList reads a header that may be absent.
func decodeList(values []string, most int) ([]string, bool) {
	if len(values) == 0 {
		return nil, true
	}
	if len(values) > 1 || strings.Count(values[0], ",") >= most {
		return nil, false
	}
	list := strings.Split(values[0], ",")
	for i := range list {
		var ok bool
		if list[i], ok = decodeOne(list[i:i+1], maxNameBytes); !ok {
			return nil, false
		}
	}
	return list, true
}
