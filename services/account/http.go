package account

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/follow"
	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// Register mounts the contract, the internal routes and the journal's.
func (s *Service) Register(g *echo.Group) {
	g.GET("/v1/accounts/keys", s.getKeys)
	g.POST("/v1/accounts", s.postAccount)
	g.POST("/v1/accounts/sessions", s.postSession)
	g.POST("/v1/accounts/sessions/refresh", s.postRefresh)
	g.POST("/v1/accounts/sessions/sign-out", s.postSignOut)
	g.GET("/v1/accounts/me", s.getMe)
	g.PUT("/v1/accounts/me/password", s.putPassword)
	g.GET("/v1/accounts/me/sessions", s.getSessions)
	g.DELETE("/v1/accounts/me/sessions", s.deleteSessions)
	g.DELETE("/v1/accounts/me/sessions/:id", s.deleteSession)
	g.PUT("/v1/accounts/roles", s.putRoles)
	g.GET("/internal/revoked", s.getRevoked)
	s.journal.Register(g)
	follow.RegisterStatus(g, Name, s.journal, nil, nil)
}

// getKeys gives the public keys that tokens are verified with.
func (s *Service) getKeys(c echo.Context) error {
	k, err := s.keySet()
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "public, max-age=60")
	return c.Blob(http.StatusOK, "application/json", k.Public())
}

// getRevoked lists the sessions that ended while tokens of theirs may hold, for the gateway.
func (s *Service) getRevoked(c echo.Context) error {
	if err := s.loaded(); err != nil {
		return err
	}
	now, answer := s.deps.Now(), identity.Revoked{Sessions: []string{}}
	for shard := range s.journal.Shards() {
		s.journal.State(shard).revoked.Scan(func(_ string, e ended) bool {
			if !e.Until.Before(now) {
				answer.Sessions = append(answer.Sessions, e.Session)
			}
			return true
		})
	}
	return c.JSON(http.StatusOK, answer)
}

func (s *Service) postAccount(c echo.Context) error {
	var body accountapi.SignUpRequest
	if err := httpx.Decode(c, &body); err != nil {
		return err
	}
	key, err := checkKey(c.Request().Header.Values(accountapi.HeaderIdempotency))
	if err != nil {
		return err
	}
	who, err := checkCredentials(body.Tenant, body.Email, body.Password)
	if err != nil {
		return err
	}
	if who.password, err = checkNewPassword("/password", body.Password, who.email); err != nil {
		return err
	}
	answer, err := s.signUp(c.Request().Context(), who, key)
	if err != nil {
		return err
	}
	if answer.Replayed {
		c.Response().Header().Set(accountapi.HeaderReplayed, "true")
	}
	return c.JSON(http.StatusCreated, answer.Account.wire())
}

// checkCredentials bounds what somebody says of themselves.
func checkCredentials(tenant, email, password string) (who credentials, err error) {
	if err := checkTenant("/tenant", tenant); err != nil {
		return who, err
	}
	who.tenant = tenant
	if who.email, err = checkEmail("/email", email); err != nil {
		return who, err
	}
	who.password, err = checkPassword("/password", password)
	return who, err
}

func (s *Service) postSession(c echo.Context) error {
	var body accountapi.SignInRequest
	if err := httpx.Decode(c, &body); err != nil {
		return err
	}
	who, err := checkCredentials(body.Tenant, body.Email, body.Password)
	if err != nil {
		return err
	}
	who.device = body.Device
	tokens, err := s.signIn(c.Request().Context(), who)
	if err != nil {
		return err
	}
	return secret(c, http.StatusCreated, tokens)
}

// secret answers with what nobody on the way may keep (RFC 6749, 5.1).
func secret(c echo.Context, status int, tokens accountapi.Tokens) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(status, tokens)
}

func (s *Service) postRefresh(c echo.Context) error {
	var body accountapi.RefreshRequest
	if err := decodeRefresh(c, &body); err != nil {
		return err
	}
	tokens, err := s.refresh(c.Request().Context(), body.RefreshToken)
	if err != nil {
		return err
	}
	return secret(c, http.StatusOK, tokens)
}

func (s *Service) postSignOut(c echo.Context) error {
	var body accountapi.RefreshRequest
	if err := decodeRefresh(c, &body); err != nil {
		return err
	}
	if err := s.signOut(c.Request().Context(), body.RefreshToken); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func decodeRefresh(c echo.Context, body *accountapi.RefreshRequest) error {
	if err := httpx.Decode(c, body); err != nil {
		return err
	}
	if body.RefreshToken == "" || len(body.RefreshToken) > accountapi.MaxTokenBytes {
		return errs.InvalidField("/refresh_token", "must have 1 to %d characters", accountapi.MaxTokenBytes)
	}
	return nil
}

// me is who asks, and their account if they have one here.
func (s *Service) me(c echo.Context) (identity.Caller, *account, error) {
	caller := identity.Of(c.Request().Header)
	if !caller.Known() {
		return caller, nil, errs.New(errs.Unauthenticated, errs.CodeUnauthenticated, "this needs an access token")
	}
	a, err := s.bySubject(c.Request().Context(), caller)
	return caller, a, err
}

// mine is the account of who asks; somebody of another issuer has none here.
func (s *Service) mine(c echo.Context) (*account, error) {
	_, a, err := s.me(c)
	if err == nil && a == nil {
		err = errUnknownAccount
	}
	return a, err
}

func (s *Service) getMe(c echo.Context) error {
	caller, a, err := s.me(c)
	if err != nil {
		return err
	}
	answer := accountapi.Me{Subject: caller.Subject, Tenant: caller.Tenant, Roles: caller.Roles}
	if a != nil {
		answer.Email = a.Email
	}
	return c.JSON(http.StatusOK, answer)
}

func (s *Service) getSessions(c echo.Context) error {
	a, err := s.mine(c)
	if err != nil {
		return err
	}
	if a, err = s.fresh(c.Request().Context(), a.ID); err != nil {
		return err
	}
	answer := httpx.List[accountapi.Session]{Items: []accountapi.Session{}}
	gone := len(a.expired(s.deps.Now()))
	for _, o := range a.Sessions[gone:] {
		answer.Items = append(answer.Items, accountapi.Session{
			ID: o.ID, OpenedAt: o.OpenedAt, UsedAt: o.UsedAt, ExpiresAt: o.UsedAt.Add(sessionIdle),
		})
	}
	return c.JSON(http.StatusOK, answer)
}

// deleteSessions signs out everywhere.
func (s *Service) deleteSessions(c echo.Context) error { return s.end(c, "") }

// deleteSession ends one session. What is not open, or not the caller's, is as if it had ended.
func (s *Service) deleteSession(c echo.Context) error {
	id, err := httpx.PathParam(c, "id")
	if err != nil {
		return err
	}
	return s.end(c, id)
}

// end ends one session of the caller's; "" means all.
func (s *Service) end(c echo.Context, session string) error {
	a, err := s.mine(c)
	if err != nil {
		return err
	}
	if _, err := s.journal.Do(c.Request().Context(), a.ID, endSessions{ID: a.ID, Session: session}); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *Service) putPassword(c echo.Context) error {
	var body accountapi.PasswordRequest
	if err := httpx.Decode(c, &body); err != nil {
		return err
	}
	old, err := checkPassword("/password", body.Password)
	if err != nil {
		return err
	}
	a, err := s.mine(c)
	if err != nil {
		return err
	}
	password, err := checkNewPassword("/new_password", body.NewPassword, a.Email)
	if err != nil {
		return err
	}
	tokens, err := s.newPassword(c.Request().Context(), a, credentials{a.Tenant, a.Email, old, body.Device}, password)
	if err != nil {
		return err
	}
	return secret(c, http.StatusOK, tokens)
}

// putRoles is for operators, who give roles in their own tenant. Who asks from inside does so in the shop itself.
func (s *Service) putRoles(c echo.Context) error {
	var body accountapi.RolesRequest
	if err := httpx.Decode(c, &body); err != nil {
		return err
	}
	email, err := checkEmail("/email", body.Email)
	if err != nil {
		return err
	}
	roles, err := checkRoles("/roles", body.Roles)
	if err != nil {
		return err
	}
	caller := identity.Of(c.Request().Header)
	if !caller.Has(identity.RoleOperator) && (caller.Known() || !caller.Has(identity.RoleService)) {
		return errs.New(errs.Forbidden, errs.CodeForbidden, "this is for operators")
	}
	if err := s.loaded(); err != nil {
		return err
	}
	id := accountID(caller.Tenant, email)
	result, err := s.journal.Do(c.Request().Context(), id, setRoles{ID: id, Roles: roles, By: caller.Subject})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, result.Answer.(*account).wire())
}
