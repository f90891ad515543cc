package identity

import "net/http"

// Owner is whose something is: a subject in a tenant. The zero Owner is the shop itself.
type Owner struct{ Tenant, Subject string }

// Of says who asks a service. The gateway names every caller, also one who has not signed in (Nobody), and lets nobody
// outside do so. A request that names nobody has not come through it: another service asks, or somebody with the app's token
// at its own port. That caller has the role of a service and the bounds of no tenant; see Admits.
func Of(h http.Header) Caller {
	if c, named := FromHeader(h); named {
		return c
	}
	return Caller{Roles: []string{RoleService}}
}

// Owner is the caller as an owner.
func (c Caller) Owner() Owner { return Owner{c.Tenant, c.Subject} }

// Admits tells whether c may see and change what is o's: the owner may, an operator of the owner's tenant, and whoever asks
// from inside (see Of). A service that came with a token through the gateway owns only what is its own.
func (o Owner) Admits(c Caller) bool {
	if !c.Known() {
		return c.Has(RoleService)
	}
	return c.Tenant == o.Tenant && (c.Subject == o.Subject || c.Has(RoleOperator))
}

// OfShop tells whether c is of the shop itself: from inside, or signed in without a tenant. What belongs to no tenant, such as the stock
// and what operating shows, is theirs; whether they may change it, their roles say.
func (c Caller) OfShop() bool {
	return c.Tenant == "" && (c.Known() || c.Has(RoleService))
}
