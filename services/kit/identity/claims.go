package identity

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// What our own tokens say in iss, aud and typ.
const (
	Us       = "sidecart"
	Audience = "sidecart"
	typ      = "at+jwt" // RFC 9068: an access token, and no other kind of JWT
)

// Claims is what a token of ours says.
type Claims struct {
	Subject  string
	Tenant   string
	Roles    []string
	Session  string    // the session that the token belongs to and ends with; "" of a token that stands alone
	IssuedAt time.Time // whole seconds: the rest is cut off
	Expires  time.Time
}

// wireClaims is the payload of a token of ours.
type wireClaims struct {
	Issuer   string   `json:"iss"`
	Audience audience `json:"aud"`
	Subject  string   `json:"sub"`
	Expires  int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	Tenant   string   `json:"tenant,omitzero"`
	Roles    []string `json:"roles,omitempty"`
	Session  string   `json:"sid,omitzero"`
}

// Check names what makes a token impossible: it is for callers who make one from what people say.
func (c Claims) Check() error {
	switch {
	case c.Subject == "" || !validSubject(c.Subject):
		return fmt.Errorf("the subject must be 1 to %d printable ASCII characters without spaces", MaxSubjectBytes)
	case !ValidTenant(c.Tenant):
		return fmt.Errorf("the tenant must be up to %d lower-case letters, digits and dashes", MaxTenantBytes)
	case len(c.Roles) == 0:
		return errors.New("there must be a role")
	case !c.Expires.After(c.IssuedAt):
		return errors.New("the token must expire after it is issued")
	}
	for _, role := range c.Roles {
		if !ValidRole(role) {
			return fmt.Errorf("there is no role %q; there are %s, %s and %s", role, RoleCustomer, RoleOperator, RoleService)
		}
	}
	return nil
}

// ValidRole tells whether a caller can have the role.
func ValidRole(role string) bool {
	return role == RoleCustomer || role == RoleOperator || role == RoleService
}

// ValidTenant tells whether it can be a tenant's name; the empty one is the shop itself.
func ValidTenant(tenant string) bool {
	for i := range len(tenant) {
		if c := tenant[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(tenant) <= MaxTenantBytes
}

func validSubject(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= MaxSubjectBytes
}

// audience is aud, which may be one string or a list of them (RFC 7519, 4.1.3).
type audience []string

// UnmarshalJSON takes both.
func (a *audience) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*a = make(audience, 1)
		return json.Unmarshal(data, &(*a)[0])
	}
	return json.Unmarshal(data, (*[]string)(a))
}
