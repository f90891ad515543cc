package identity

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestACallerTravelsInHeaders(t *testing.T) {
	word := rapid.StringN(1, 16, maxNameBytes)
	rapid.Check(t, func(t *rapid.T) {
		c := Caller{
			Subject: rapid.StringMatching(`[!-~]{1,128}`).Draw(t, "subject"), Tenant: rapid.StringMatching(`[a-z0-9-]{0,64}`).Draw(t, "tenant"),
			Roles: rapid.SliceOfN(word, 1, MaxRoles).Draw(t, "roles"), Groups: rapid.SliceOfN(word, 1, MaxGroups).Draw(t, "groups"),
		}
		h := http.Header{HeaderSubject: {"eve", "mallory"}, HeaderGroups: {"staff"}}
		c.Put(h)
		for name := range h {
			for _, b := range []byte(h.Get(name)) {
				require.True(t, b > ' ' && b <= '~', "a header cannot be split")
			}
		}
		got, named := FromHeader(h)
		require.True(t, named)
		require.Equal(t, c, got)
	})
}

func TestNobodyAndNothingAreTwo(t *testing.T) {
	h := http.Header{HeaderSubject: {"eve"}, HeaderRoles: {RoleOperator}}
	Nobody().Put(h)
	c, named := FromHeader(h)
	assert.True(t, named)
	assert.Equal(t, Nobody(), c)
	assert.False(t, c.Known())

	Caller{}.Put(h)
	assert.Empty(t, h)
	_, named = FromHeader(h)
	assert.False(t, named)
}

func TestHalfACallerIsNobody(t *testing.T) {
	whole := func() http.Header {
		h := http.Header{}
		Caller{Subject: "ada", Tenant: "t", Roles: []string{RoleOperator}, Groups: []string{"g"}}.Put(h)
		return h
	}
	for name, spoil := range map[string]func(http.Header){
		"no subject":      func(h http.Header) { h.Del(HeaderSubject) },
		"two subjects":    func(h http.Header) { h.Add(HeaderSubject, "eve") },
		"empty subject":   func(h http.Header) { h.Set(HeaderSubject, "") },
		"a long subject":  func(h http.Header) { h.Set(HeaderSubject, strings.Repeat("a", MaxSubjectBytes+1)) },
		"a bad escape":    func(h http.Header) { h.Set(HeaderTenant, "%zz") },
		"many roles":      func(h http.Header) { h.Set(HeaderRoles, strings.Repeat("a,", MaxRoles)+"a") },
		"an empty role":   func(h http.Header) { h.Set(HeaderRoles, "operator,") },
		"two role lists":  func(h http.Header) { h.Add(HeaderRoles, RoleService) },
		"a long group":    func(h http.Header) { h.Set(HeaderGroups, strings.Repeat("a", maxNameBytes+1)) },
		"only its tenant": func(h http.Header) { h.Del(HeaderSubject); h.Del(HeaderRoles); h.Del(HeaderGroups) },
	} {
		t.Run(name, func(t *testing.T) {
			h := whole()
			_, named := FromHeader(h)
			require.True(t, named)
			spoil(h)
			c, named := FromHeader(h)
			assert.True(t, named, "it must not count as a service from inside")
			assert.Equal(t, Nobody(), c)
		})
	}
}

func TestWhoIsAllowed(t *testing.T) {
	for _, c := range []struct {
		who  Caller
		open []string
		want bool
	}{
		{Caller{}, []string{Anyone}, true},
		{Caller{}, []string{RoleCustomer, RoleOperator, RoleService}, false},
		{Nobody(), []string{RoleCustomer, RoleOperator, RoleService}, false},
		{Nobody(), []string{Anyone}, true},
		{Nobody(), nil, false},
		{Caller{Subject: "a", Roles: []string{RoleCustomer}}, []string{RoleOperator}, false},
		{Caller{Subject: "a", Roles: []string{RoleCustomer, RoleOperator}}, []string{RoleOperator}, true},
		{Caller{Subject: "a"}, []string{""}, false},
	} {
		assert.Equal(t, c.want, c.who.Allowed(c.open), "%v of %v", c.who, c.open)
	}
}
