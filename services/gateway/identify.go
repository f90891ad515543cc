package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// authenticate finds out who asks. Somebody without a token, or with one that is not good, is nobody, who may still call what
// is open to anyone: a page must show its stock to a customer whose token has just expired. Why a token is not good is
// told by authorize, where one is needed.
func (s *Service) authenticate(x *exchange) error {
	token, given := bearer(x.c.Request().Header)
	if given {
		x.caller, _, x.unknown = s.verifier.Verify(x.c.Request().Context(), token)
	}
	if !given || x.unknown != nil {
		x.caller = identity.Nobody()
	}
	return nil
}

// authorize lets in whom the contract names. What the gateway itself offers to operators concerns the shop as a whole, so an
// operator of a tenant is not enough for it. Beside a release from before accounts, whose gateways let everybody in anyway, an
// operation of its contracts is open as it is there: or who calls while replicas are replaced would be refused for good.
func (s *Service) authorize(x *exchange) error {
	if x.op.Open() || s.cfg.Beside && x.op.Silent {
		return nil
	}
	h := x.c.Response().Header()
	if !x.caller.Known() {
		if x.unknown != nil && errs.From(x.unknown).Kind != errs.Unauthenticated {
			return x.unknown // it cannot be told now
		}
		if x.unknown != nil {
			h.Set(echo.HeaderWWWAuthenticate, challenge+`, error="invalid_token"`)
			return x.unknown
		}
		h.Set(echo.HeaderWWWAuthenticate, challenge)
		return errs.New(errs.Unauthenticated, errs.CodeUnauthenticated, "this needs an access token, sent as Authorization: Bearer …; POST /v1/accounts/sessions gives one")
	}
	ofShop := x.op.Service == Name && !slices.Contains(x.op.Roles, identity.RoleCustomer)
	if !x.caller.Allowed(x.op.Roles) || ofShop && !(identity.Owner{}).Admits(x.caller) {
		h.Set(echo.HeaderWWWAuthenticate, challenge+`, error="insufficient_scope"`)
		return errs.New(errs.Forbidden, errs.CodeForbidden, "this is for "+strings.Join(x.op.Roles, " or ")+"; the access token says something else")
	}
	return nil
}

// challenge begins WWW-Authenticate (RFC 6750, 3).
const challenge = `Bearer realm="sidecart"`

// bearer is the access token in a header, "" for one that cannot be read as such.
func bearer(h http.Header) (token string, given bool) {
	values := h[echo.HeaderAuthorization]
	if len(values) == 0 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(token), true
}
