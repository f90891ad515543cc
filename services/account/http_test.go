package account

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

func TestSigningUpAndIn(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		var a accountapi.Account
		w.signUp("Ada@Example.com", adasPassword).Is(201, &a)
		assert.Equal(t, adasEmail, a.Email)
		assert.Equal(t, []string{identity.RoleCustomer}, a.Roles)
		w.signUp(adasEmail, "another good one").Refused(409, accountapi.CodeEmailTaken)

		tokens := w.signIn("ADA@example.com", adasPassword, "").tokens(201)
		assert.Equal(t, a.Subject, tokens.Subject)
		assert.Equal(t, int64(600), tokens.ExpiresIn)
		w.signIn(adasEmail, "wrong password", "").Refused(401, accountapi.CodeWrongCredentials)
		w.signIn("eve@example.com", adasPassword, "").Refused(401, accountapi.CodeWrongCredentials)
	})
}

func TestASignUpCanBeRepeatedByItsKey(t *testing.T) {
	inWorld(t, options{replicas: 2, faults: journaltest.Faults{Seed: 7, FailBefore: 0.05, FailAfter: 0.1, Delay: 0.1}}, func(w *world) {
		var first, again accountapi.Account
		key := with("Idempotency-Key", "k1")
		body := accountapi.SignUpRequest{Email: adasEmail, Password: adasPassword}
		for a := w.callAt(0, "POST", "/v1/accounts", body, key); ; a = w.callAt(0, "POST", "/v1/accounts", body, key) {
			if a.Status == 503 {
				continue
			}
			a.Is(201, &first)
			break
		}
		a := w.callAt(1, "POST", "/v1/accounts", body, key)
		a.Is(201, &again)
		assert.Equal(t, first, again)
		assert.Equal(t, "true", a.Header.Get("Idempotent-Replayed"))
		body.Password = "another good one"
		w.callAt(1, "POST", "/v1/accounts", body, key).Refused(422, accountapi.CodeKeyReused)
		w.callAt(1, "POST", "/v1/accounts", body, with("Idempotency-Key", "k2")).Refused(409, accountapi.CodeEmailTaken)
	})
}

func TestTenantsAreApart(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		here, _ := w.ada()
		var there accountapi.Account
		w.call("POST", "/v1/accounts", accountapi.SignUpRequest{Tenant: "shop-2", Email: adasEmail, Password: "another good one"}).Is(201, &there)
		assert.NotEqual(t, here.Subject, there.Subject)
		w.call("POST", "/v1/accounts/sessions", accountapi.SignInRequest{Tenant: "shop-2", Email: adasEmail, Password: adasPassword}).
			Refused(401, accountapi.CodeWrongCredentials)
		w.call("POST", "/v1/accounts/sessions", accountapi.SignInRequest{Tenant: "shop-2", Email: adasEmail, Password: "another good one"}).tokens(201)

		operator := identity.Caller{Subject: "op", Tenant: "shop-2", Roles: []string{identity.RoleOperator}}
		roles := accountapi.RolesRequest{Email: adasEmail, Roles: []string{identity.RoleOperator}}
		w.call("PUT", "/v1/accounts/roles", roles, as(operator)).Is(200, &there)
		assert.Equal(t, []string{identity.RoleOperator}, there.Roles)
		var me accountapi.Me
		w.call("GET", "/v1/accounts/me", nil, as(callerOf(here))).Is(200, &me)
		assert.Equal(t, []string{identity.RoleCustomer}, me.Roles, "the operator of another tenant has changed nothing here")
	})
}

func TestARefreshTokenIsGoodOnceAndItsAnswerMayBeLost(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		_, first := w.ada()
		later(time.Minute)
		second := w.refresh(first.RefreshToken).tokens(200)
		assert.NotEqual(t, first.RefreshToken, second.RefreshToken)
		assert.Equal(t, first.SessionID, second.SessionID)
		later(refreshLeeway)
		again := w.refresh(first.RefreshToken).tokens(200)
		assert.Equal(t, second.RefreshToken, again.RefreshToken)
		assert.Equal(t, second.AccessToken, again.AccessToken)
		third := w.refresh(second.RefreshToken).tokens(200)

		w.refresh(first.RefreshToken).Refused(401, accountapi.CodeSessionEnded) // two behind: a copy
		w.refresh(third.RefreshToken).Refused(401, accountapi.CodeSessionEnded) // whoever has it
		w.signIn(adasEmail, adasPassword, "").tokens(201)
	})
}

func TestAnOldRefreshTokenEndsItsSessionAfterTheLeeway(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		_, first := w.ada()
		second := w.refresh(first.RefreshToken).tokens(200)
		later(refreshLeeway + time.Second)
		w.refresh(first.RefreshToken).Refused(401, accountapi.CodeSessionEnded)
		w.refresh(second.RefreshToken).Refused(401, accountapi.CodeSessionEnded)
		assert.Contains(t, w.log.String(), "old refresh token")
	})
}

func TestASessionThatNobodyUsesEnds(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		a, tokens := w.ada()
		w.leap(sessionIdle - time.Minute)
		s := w.replicas[0].service
		shard := s.journal.ShardOf(accountID("", adasEmail))
		require.NoError(t, s.sweepShard(w.t.Context(), shard))
		assert.Len(t, s.journal.State(shard).bySubject(a.Subject).Sessions, 1)
		w.leap(2 * time.Minute)
		require.NoError(t, s.sweepShard(w.t.Context(), shard))
		assert.Empty(t, s.journal.State(shard).bySubject(a.Subject).Sessions, "it has left memory")
		w.refresh(tokens.RefreshToken).Refused(401, accountapi.CodeSessionEnded)
	})
}

func TestSigningOut(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		a, one := w.ada()
		two := w.signIn(adasEmail, adasPassword, "").tokens(201)
		three := w.signIn(adasEmail, adasPassword, "").tokens(201)
		out := accountapi.RefreshRequest{RefreshToken: one.RefreshToken}
		for range 2 {
			w.call("POST", "/v1/accounts/sessions/sign-out", out).Is(204, nil)
		}
		w.call("POST", "/v1/accounts/sessions/sign-out", accountapi.RefreshRequest{RefreshToken: "x.y"}).Is(204, nil)
		w.refresh(one.RefreshToken).Refused(401, accountapi.CodeSessionEnded)

		me := as(callerOf(a))
		var list struct {
			Items []accountapi.Session `json:"items"`
		}
		w.call("GET", "/v1/accounts/me/sessions", nil, me).Is(200, &list)
		assert.Len(t, list.Items, 2)
		w.call("DELETE", "/v1/accounts/me/sessions/"+two.SessionID, nil, me).Is(204, nil)
		w.call("DELETE", "/v1/accounts/me/sessions/nothing", nil, me).Is(204, nil)
		w.refresh(two.RefreshToken).Refused(401, accountapi.CodeSessionEnded)
		w.refresh(three.RefreshToken).tokens(200)
		w.call("DELETE", "/v1/accounts/me/sessions", nil, me).Is(204, nil)
		w.refresh(three.RefreshToken).Refused(401, accountapi.CodeSessionEnded)
		var revoked identity.Revoked
		w.call("GET", "/internal/revoked", nil).Is(200, &revoked)
		assert.ElementsMatch(t, []string{one.SessionID, two.SessionID, three.SessionID}, revoked.Sessions)
		w.leap(accessFor + time.Second)
		w.call("GET", "/internal/revoked", nil).Is(200, &revoked)
		assert.Empty(t, revoked.Sessions, "no token of theirs holds any more")
	})
}

func TestAnothersSessionCannotBeEnded(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		_, adas := w.ada()
		var eve accountapi.Account
		w.signUp("eve@example.com", "a password of eve's").Is(201, &eve)
		w.call("DELETE", "/v1/accounts/me/sessions/"+adas.SessionID, nil, as(callerOf(eve))).Is(204, nil)
		w.call("DELETE", "/v1/accounts/me/sessions", nil, as(callerOf(eve))).Is(204, nil)
		w.refresh(adas.RefreshToken).tokens(200)
	})
}

func TestANewPasswordEndsTheOtherSessions(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		a, tokens := w.ada()
		change := func(old, password string) answer {
			return w.call("PUT", "/v1/accounts/me/password", accountapi.PasswordRequest{Password: old, NewPassword: password}, as(callerOf(a)))
		}
		change("wrong", "eight blue parakeets").Refused(401, accountapi.CodeWrongCredentials)
		change(adasPassword, "short").Refused(400, "invalid_request")
		w.refresh(tokens.RefreshToken).Is(200, nil)
		fresh := change(adasPassword, "eight blue parakeets").tokens(200)
		w.refresh(tokens.RefreshToken).Refused(401, accountapi.CodeSessionEnded)
		w.refresh(fresh.RefreshToken).tokens(200)
		w.signIn(adasEmail, adasPassword, "").Refused(401, accountapi.CodeWrongCredentials)
		w.signIn(adasEmail, "eight blue parakeets", "").tokens(201)
	})
}

func TestRolesAreTheOperatorsToGive(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		a, tokens := w.ada()
		roles := accountapi.RolesRequest{Email: adasEmail, Roles: []string{"operator", "customer"}}
		for _, who := range []identity.Caller{identity.Nobody(), callerOf(a), {Subject: "s", Roles: []string{identity.RoleService}}} {
			w.call("PUT", "/v1/accounts/roles", roles, as(who)).Refused(403, "forbidden")
		}
		operator := as(identity.Caller{Subject: "op", Roles: []string{identity.RoleOperator}})
		w.call("PUT", "/v1/accounts/roles", roles, operator).Is(200, &a)
		assert.Equal(t, []string{"customer", "operator"}, a.Roles)
		w.refresh(tokens.RefreshToken).Refused(401, accountapi.CodeSessionEnded)
		again := w.signIn(adasEmail, adasPassword, "").tokens(201)
		w.call("PUT", "/v1/accounts/roles", roles, operator).Is(200, &a)
		w.refresh(again.RefreshToken).tokens(200) // nothing was changed
		roles.Email = "nobody@example.com"
		w.call("PUT", "/v1/accounts/roles", roles, operator).Refused(404, accountapi.CodeUnknownAccount)
	})
}

func TestWhoAmI(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		a, _ := w.ada()
		var me accountapi.Me
		w.call("GET", "/v1/accounts/me", nil, as(callerOf(a))).Is(200, &me)
		assert.Equal(t, accountapi.Me{Subject: a.Subject, Roles: a.Roles, Email: adasEmail}, me)
		other := identity.Caller{Subject: "corp:ada", Tenant: "shop-2", Roles: []string{identity.RoleCustomer}}
		var stranger accountapi.Me
		w.call("GET", "/v1/accounts/me", nil, as(other)).Is(200, &stranger)
		assert.Equal(t, accountapi.Me{Subject: "corp:ada", Tenant: "shop-2", Roles: other.Roles}, stranger)
		w.call("GET", "/v1/accounts/me/sessions", nil, as(other)).Refused(404, accountapi.CodeUnknownAccount)
		for _, who := range []identity.Caller{identity.Nobody(), {}} {
			w.call("GET", "/v1/accounts/me", nil, as(who)).Refused(401, "unauthenticated")
			w.call("DELETE", "/v1/accounts/me/sessions", nil, as(who)).Refused(401, "unauthenticated")
		}
	})
}

func TestBadInputNamesItsFieldAndChangesNothing(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		good := accountapi.SignUpRequest{Email: adasEmail, Password: adasPassword}
		for name, c := range map[string]struct {
			change func(*accountapi.SignUpRequest)
			field  string
		}{
			"no address":       {func(r *accountapi.SignUpRequest) { r.Email = "" }, "/email"},
			"no such address":  {func(r *accountapi.SignUpRequest) { r.Email = "ada" }, "/email"},
			"a name with it":   {func(r *accountapi.SignUpRequest) { r.Email = "Ada <ada@example.com>" }, "/email"},
			"a long address":   {func(r *accountapi.SignUpRequest) { r.Email = strings.Repeat("a", 255) + "@example.com" }, "/email"},
			"a short password": {func(r *accountapi.SignUpRequest) { r.Password = "seven77" }, "/password"},
			"a long password":  {func(r *accountapi.SignUpRequest) { r.Password = strings.Repeat("ab", 65) }, "/password"},
			"a common one":     {func(r *accountapi.SignUpRequest) { r.Password = "Password123" }, "/password"},
			"the address":      {func(r *accountapi.SignUpRequest) { r.Password = "ADA@example.com" }, "/password"},
			"one character":    {func(r *accountapi.SignUpRequest) { r.Password = "ßßßßßßßßß" }, "/password"},
			"a tenant":         {func(r *accountapi.SignUpRequest) { r.Tenant = "Shop 1" }, "/tenant"},
		} {
			bad := good
			c.change(&bad)
			a := w.call("POST", "/v1/accounts", bad)
			a.Refused(400, "invalid_request")
			assert.Contains(t, string(a.Body), `"field":"`+c.field+`"`, name)
			assert.NotContains(t, string(a.Body), bad.Password, name)
		}
		w.signUp(adasEmail, adasPassword, with("Idempotency-Key", strings.Repeat("k", 129))).Refused(400, "invalid_request")
		assert.Empty(t, w.store.Keys("account/journal/0/"))
		assert.Empty(t, w.store.Keys("account/journal/1/"))
		w.signUp(adasEmail, adasPassword).Is(201, nil)
	})
}

func TestOldestSessionMakesRoom(t *testing.T) {
	inWorld(t, options{}, func(w *world) {
		_, oldest := w.ada()
		var list []accountapi.Tokens
		for range maxSessions - 1 {
			later(time.Second)
			list = append(list, w.signIn(adasEmail, adasPassword, "").tokens(201))
		}
		oldest = w.refresh(oldest.RefreshToken).tokens(200) // now it is the last that was used
		later(time.Second)
		w.signIn(adasEmail, adasPassword, "").tokens(201)
		w.refresh(list[0].RefreshToken).Refused(401, accountapi.CodeSessionEnded)
		w.refresh(oldest.RefreshToken).tokens(200)
		require.NotEmpty(t, list)
	})
}
