package account

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/account/accountapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
)

// credentials are what somebody shows to sign in, in the form that is compared.
type credentials struct {
	tenant, email, password, device string
}

func (c credentials) accountID() string { return accountID(c.tenant, c.email) }

// proved is the account of right credentials.
type proved struct {
	account *account
	rehash  string // what the hash should become; "": it is as it should be
	device  string // the known device; "" for a new one
}

// prove compares credentials with the account's. Whatever is wrong, also that there is no account, gives the same answer after the
// same time, and counts as the same failure.
func (s *Service) prove(ctx context.Context, k *identity.Keys, c credentials) (proved, error) {
	id := c.accountID()
	p := proved{device: readDevice(k, id, c.device)}
	who := watched{account: id, device: p.device}
	if err := s.guard.attempt(who); err != nil {
		return proved{}, err
	}
	same, err := s.compare(ctx, k, id, c.password, &p)
	switch {
	case err != nil:
		s.guard.undo(who)
		return proved{}, err
	case !same:
		return proved{}, errWrongCredentials
	}
	s.guard.succeeded(who)
	return p, nil
}

// compare finds the account and compares the password, or pretends to.
func (s *Service) compare(ctx context.Context, k *identity.Keys, id, password string, p *proved) (bool, error) {
	a, err := s.find(ctx, id)
	if err != nil {
		return false, err
	}
	if a == nil {
		return false, s.hasher.pretend(ctx, password)
	}
	hash, stale, err := openHash(k, id, a.Hash)
	if err != nil {
		return false, err
	}
	same, weak, err := s.hasher.compare(ctx, hash, password)
	if err != nil || !same {
		return false, err
	}
	p.account = a
	if weak {
		if hash, err = s.hasher.hash(ctx, password); err != nil {
			return false, err
		}
	}
	if weak || stale {
		p.rehash = sealHash(k, id, hash)
	}
	return true, nil
}

// signUp makes an account. With a key it may be repeated: the password must then be the same as well.
func (s *Service) signUp(ctx context.Context, c credentials, key string) (signedUp, error) {
	k, err := s.keySet()
	if err != nil {
		return signedUp{}, err
	}
	id := c.accountID()
	there, err := s.find(ctx, id)
	if err != nil {
		return signedUp{}, err
	}
	cmd := signUp{ID: id, Tenant: c.tenant, Email: c.email, Key: key, Subject: uuid.NewString()}
	if there == nil {
		hash, err := s.hasher.hash(ctx, c.password)
		if err != nil {
			return signedUp{}, err
		}
		cmd.Hash = sealHash(k, id, hash)
	}
	result, err := s.journal.Do(ctx, id, cmd)
	if err != nil {
		return signedUp{}, err
	}
	answer := result.Answer.(signedUp)
	if !answer.Replayed {
		return answer, nil
	}
	// Whose key it is has signed up with this address; who does not know the password has only guessed the key.
	if _, err := s.prove(ctx, k, c); errs.HasCode(err, accountapi.CodeWrongCredentials) {
		return signedUp{}, errs.New(errs.Unprocessable, accountapi.CodeKeyReused, "this Idempotency-Key was used with another password")
	} else if err != nil {
		return signedUp{}, err
	}
	return answer, nil
}

// signIn opens a session.
func (s *Service) signIn(ctx context.Context, c credentials) (accountapi.Tokens, error) {
	k, err := s.keySet()
	if err != nil {
		return accountapi.Tokens{}, err
	}
	p, err := s.prove(ctx, k, c)
	if err != nil {
		return accountapi.Tokens{}, err
	}
	result, err := s.journal.Do(ctx, p.account.ID, openSession{
		ID: p.account.ID, Session: s.deps.NewID(), HashSeen: p.account.Hash, Rehash: p.rehash,
	})
	if err != nil {
		return accountapi.Tokens{}, err
	}
	return s.tokens(k, result.Answer.(opened), p.device)
}

// tokens are what an open session is given. They follow from the session as it was committed, so a repeat gives the same (an ES256
// signature differs, and says the same).
func (s *Service) tokens(k *identity.Keys, o opened, device string) (accountapi.Tokens, error) {
	access, err := k.Sign(identity.Claims{
		Subject: o.Account.Subject, Tenant: o.Account.Tenant, Roles: o.Account.Roles, Session: o.Session.ID,
		IssuedAt: o.Session.UsedAt, Expires: o.Session.UsedAt.Add(accessFor),
	})
	if err != nil {
		return accountapi.Tokens{}, fmt.Errorf("account: %w", err)
	}
	if device == "" {
		device = o.Session.ID // a new device is called by the session that it first opened
	}
	return accountapi.Tokens{
		AccessToken: access, TokenType: "Bearer", SessionID: o.Session.ID, Subject: o.Account.Subject,
		ExpiresIn:    max(0, int64(o.Session.UsedAt.Add(accessFor).Sub(s.deps.Now()).Seconds())),
		RefreshToken: refreshToken{o.Account.ID, o.Session.ID, o.Session.Generation}.write(k),
		Device:       deviceToken(k, o.Account.ID, device),
	}, nil
}

// refresh gives the next tokens of a session.
func (s *Service) refresh(ctx context.Context, token string) (accountapi.Tokens, error) {
	k, t, err := s.refreshToken(token)
	if err != nil {
		return accountapi.Tokens{}, err
	}
	result, err := s.journal.Do(ctx, t.account, refresh{ID: t.account, Session: t.session, Generation: t.generation})
	if err != nil {
		return accountapi.Tokens{}, err
	}
	o := result.Answer.(opened)
	if o.Reused {
		s.deps.Log.WarnContext(ctx, "an old refresh token was used again; its session has ended", "subject", o.Account.Subject, "session", t.session)
		return accountapi.Tokens{}, errSessionEnded
	}
	tokens, err := s.tokens(k, o, "")
	tokens.Device = "" // a refresh says nothing about the device that is not known already
	return tokens, err
}

// signOut ends the session of a refresh token, however old. One that is none belongs to no session: there is nothing to end.
func (s *Service) signOut(ctx context.Context, token string) error {
	_, t, err := s.refreshToken(token)
	if errs.HasCode(err, accountapi.CodeSessionEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.journal.Do(ctx, t.account, endSessions{ID: t.account, Session: t.session})
	return err
}

func (s *Service) refreshToken(token string) (*identity.Keys, refreshToken, error) {
	k, err := s.keySet()
	if err != nil {
		return nil, refreshToken{}, err
	}
	if err := s.loaded(); err != nil {
		return nil, refreshToken{}, err
	}
	t, err := readRefreshToken(k, token)
	return k, t, err
}

// newPassword changes the password of who asks, ends every session, and opens a new one.
func (s *Service) newPassword(ctx context.Context, a *account, old credentials, password string) (accountapi.Tokens, error) {
	k, err := s.keySet()
	if err != nil {
		return accountapi.Tokens{}, err
	}
	p, err := s.prove(ctx, k, old)
	if err != nil {
		return accountapi.Tokens{}, err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return accountapi.Tokens{}, err
	}
	result, err := s.journal.Do(ctx, a.ID, changePassword{
		ID: a.ID, Session: s.deps.NewID(), HashSeen: p.account.Hash, Hash: sealHash(k, a.ID, hash),
	})
	if err != nil {
		return accountapi.Tokens{}, err
	}
	return s.tokens(k, result.Answer.(opened), p.device)
}
