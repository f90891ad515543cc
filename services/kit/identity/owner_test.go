package identity_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/sidecart/sidecart/services/kit/identity"
)

func TestWhoAsks(t *testing.T) {
	inside := identity.Caller{Roles: []string{identity.RoleService}}
	assert.Equal(t, inside, identity.Of(nil))
	assert.Equal(t, inside, identity.Of(http.Header{"X-Request-Id": {"1"}}))

	ada := identity.Caller{Subject: "ada", Tenant: "acme", Roles: []string{identity.RoleCustomer}}
	h := http.Header{}
	ada.Put(h)
	assert.Equal(t, ada, identity.Of(h))

	for _, name := range identity.Headers() {
		for _, value := range []string{"", "service", "%zz"} {
			alone := identity.Of(http.Header{name: {value}})
			assert.False(t, identity.Owner{}.Admits(alone), "%s: %q alone is not the inside", name, value)
		}
		broken := h.Clone()
		broken[name] = []string{"a", "b"}
		assert.Equal(t, identity.Nobody(), identity.Of(broken), "%s twice", name)
	}
}

func TestWhoIsAdmitted(t *testing.T) {
	const shop = ""
	as := func(subject, tenant, role string) identity.Caller {
		return identity.Caller{Subject: subject, Tenant: tenant, Roles: []string{role}}
	}
	ada := identity.Owner{Subject: "ada"}
	for _, c := range []struct {
		what  string
		owner identity.Owner
		who   identity.Caller
		want  bool
	}{
		{"owner", ada, as("ada", shop, identity.RoleCustomer), true},
		{"owner in a tenant", identity.Owner{Tenant: "acme", Subject: "ada"}, as("ada", "acme", identity.RoleCustomer), true},
		{"operator", ada, as("olga", shop, identity.RoleOperator), true},
		{"operator of the owner's tenant", identity.Owner{Tenant: "acme", Subject: "ada"}, as("otto", "acme", identity.RoleOperator), true},
		{"from inside", identity.Owner{Tenant: "acme", Subject: "ada"}, identity.Of(nil), true},
		{"another customer", ada, as("eve", shop, identity.RoleCustomer), false},
		{"the same name elsewhere", ada, as("ada", "acme", identity.RoleCustomer), false},
		{"operator elsewhere", ada, as("otto", "acme", identity.RoleOperator), false},
		{"operator of the shop", identity.Owner{Tenant: "acme", Subject: "ada"}, as("olga", shop, identity.RoleOperator), false},
		{"service with a token", ada, as("crm", shop, identity.RoleService), false},
		{"nobody", ada, identity.Caller{}, false},
		{"nobody, of the shop", identity.Owner{}, identity.Nobody(), false},
		{"a caller of whom nothing was said", ada, identity.Caller{}, false},
		{"customer, of the shop", identity.Owner{}, as("ada", shop, identity.RoleCustomer), false},
		{"operator, of the shop", identity.Owner{}, as("olga", shop, identity.RoleOperator), true},
	} {
		assert.Equal(t, c.want, c.owner.Admits(c.who), c.what)
	}
}

func TestWhoIsOfTheShop(t *testing.T) {
	assert.True(t, identity.Of(nil).OfShop())
	assert.True(t, identity.Caller{Subject: "olga"}.OfShop())
	assert.False(t, identity.Caller{Subject: "otto", Tenant: "acme", Roles: []string{identity.RoleOperator}}.OfShop())
	assert.False(t, identity.Nobody().OfShop())
	assert.False(t, identity.Caller{}.OfShop())
}
