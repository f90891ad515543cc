package identity

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/kit/fault"
)

// Bounds of what the rules may say.
const (
	maxIssuers   = 16
	maxURLBytes  = 2048
	maxClaimPath = 256
)

// Issuer is somebody else whose tokens are believed: an entry of `issuers` in gateway.yaml. What it says is believed no
// further than this goes: everybody whom it vouches for is a customer, and more only by Roles.
type Issuer struct {
	Name     string `yaml:"name"`     // a short word of ours for it; its subjects become "name:subject", so that no issuer can name another's
	Issuer   string `yaml:"issuer"`   // iss of its tokens, an https address
	Audience string `yaml:"audience"` // one of aud of its tokens must be this
	JWKSURI  string `yaml:"jwks_uri"` // where its keys are; "": found by OpenID Connect discovery below issuer

	Tenant      string            `yaml:"tenant"`       // of all its subjects; "" is the shop itself
	TenantClaim string            `yaml:"tenant_claim"` // the claim that has the tenant; a token without it is refused. Instead of tenant
	RolesClaim  string            `yaml:"roles_claim"`  // the claim with roles; dots go deeper (realm_access.roles). "": roles
	Roles       map[string]string `yaml:"roles"`        // its role: ours. Others mean nothing
	GroupsClaim string            `yaml:"groups_claim"` // the claim with groups, for gray rules. "": groups
}

var issuerName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// CheckIssuers says what is wrong with the section `issuers`.
func CheckIssuers(issuers []Issuer) []fault.Fault {
	var faults []fault.Fault
	if len(issuers) > maxIssuers {
		faults = append(faults, fault.Fault{Message: fmt.Sprintf("there are %d issuers; at most %d are believed", len(issuers), maxIssuers)})
	}
	names, theirs := map[string]bool{}, map[string]bool{Us: true}
	for i, is := range issuers {
		say := func(key, message string, args ...any) {
			faults = append(faults, fault.Fault{Place: fault.At(i, key), Message: fmt.Sprintf(message, args...)})
		}
		switch {
		case !issuerName.MatchString(is.Name):
			say("name", "must be a short word of lower-case letters, digits and dashes, such as corp")
		case names[is.Name]:
			say("name", "another issuer has this name")
		}
		if err := checkAddress(is.Issuer); err != nil {
			say("issuer", "%v", err)
		} else if theirs[is.Issuer] {
			say("issuer", "another entry has this issuer")
		}
		names[is.Name], theirs[is.Issuer] = true, true
		if is.Audience == "" || len(is.Audience) > maxURLBytes {
			say("audience", "must say what aud of a token for this shop is; without it tokens for others would be taken")
		}
		if is.JWKSURI != "" {
			if err := checkAddress(is.JWKSURI); err != nil {
				say("jwks_uri", "%v", err)
			}
		}
		if !ValidTenant(is.Tenant) {
			say("tenant", "must be up to %d lower-case letters, digits and dashes", MaxTenantBytes)
		} else if is.Tenant != "" && is.TenantClaim != "" {
			say("tenant", "goes not together with tenant_claim: leave one out")
		}
		for _, claim := range [][2]string{{"tenant_claim", is.TenantClaim}, {"roles_claim", is.RolesClaim}, {"groups_claim", is.GroupsClaim}} {
			if len(claim[1]) > maxClaimPath {
				say(claim[0], "is over %d bytes", maxClaimPath)
			}
		}
		for _, role := range slices.Sorted(maps.Keys(is.Roles)) {
			if !ValidRole(is.Roles[role]) {
				faults = append(faults, fault.Fault{Place: fault.At(i, "roles", role), Message: fmt.Sprintf(
					"must be a role of ours: %s, %s or %s", RoleCustomer, RoleOperator, RoleService)})
			}
		}
	}
	return faults
}

// checkAddress takes https, and http on this machine alone: whoever can change keys on their way can sign in as anybody.
func checkAddress(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "", u.User != nil, u.Fragment != "", u.RawQuery != "", len(s) > maxURLBytes:
		return errors.New("must be an address such as https://login.example.com/shop")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isOnThisMachine(u.Hostname()):
		return nil
	}
	return errors.New("must begin with https:// (http:// only on this machine)")
}

// isOnThisMachine tells whether a call to this host stays on this machine. Names below localhost are none: what they lead to is up to
// the system's resolver, unlike in browsers, whose requests the gateway judges.
func isOnThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// caller is whom a verified token of the issuer is about.
func (is Issuer) caller(payload []byte, subject string) (Caller, error) {
	var claims map[string]jsontext.Value
	if err := json.Unmarshal(payload, &claims); err != nil {
		return Caller{}, err
	}
	c := Caller{Subject: is.Name + ":" + subject, Tenant: is.Tenant}
	if subject == "" || !validSubject(c.Subject) {
		return Caller{}, fmt.Errorf("its subject is not 1 to %d printable ASCII characters", MaxSubjectBytes-len(is.Name)-1)
	}
	if is.TenantClaim != "" {
		tenant := words(dig(claims, is.TenantClaim))
		if len(tenant) != 1 || tenant[0] == "" || !ValidTenant(tenant[0]) {
			return Caller{}, fmt.Errorf("its claim %s does not name a tenant", is.TenantClaim)
		}
		c.Tenant = tenant[0]
	}
	had := map[string]bool{RoleCustomer: true}
	c.Roles = []string{RoleCustomer}
	for _, theirs := range words(dig(claims, cmp.Or(is.RolesClaim, "roles"))) {
		if ours, mapped := is.Roles[theirs]; mapped && !had[ours] {
			had[ours] = true
			c.Roles = append(c.Roles, ours)
		}
	}
	for _, group := range words(dig(claims, cmp.Or(is.GroupsClaim, "groups"))) {
		if group != "" && len(group) <= maxNameBytes && len(c.Groups) < MaxGroups {
			c.Groups = append(c.Groups, group)
		}
	}
	return c, nil
}

// dig finds a claim: by its whole name, which may have dots (https://shop.example/roles), else step by step.
func dig(claims map[string]jsontext.Value, path string) jsontext.Value {
	if v, ok := claims[path]; ok {
		return v
	}
	first, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return nil
	}
	var inner map[string]jsontext.Value
	if json.Unmarshal(claims[first], &inner) != nil {
		return nil
	}
	return dig(inner, rest)
}

// words reads a claim that is a string or a list of strings. A string is one word, or several between spaces as in scope.
func words(v jsontext.Value) []string {
	var list []string
	if json.Unmarshal(v, &list) == nil {
		return list
	}
	var one string
	if json.Unmarshal(v, &one) == nil {
		return strings.Fields(one)
	}
	return nil
}
