package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// ourAlgorithms and theirAlgorithms are all that a token may name. "none" and the symmetric ones are not among them.
var (
	ourAlgorithms   = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256}
	theirAlgorithms = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256, jose.RS256, jose.PS256}
)

// times are the claims that say when a token is good. They are numbers that need not be whole (RFC 7519, 2).
type times struct {
	Expires   *float64 `json:"exp"`
	NotBefore float64  `json:"nbf"`
	IssuedAt  float64  `json:"iat"`
}

// check verifies a token that is not remembered.
func (v *Verifier) check(ctx context.Context, token string) (*verified, error) {
	signed, err := jose.ParseSignedCompact(token, theirAlgorithms)
	if err != nil {
		return nil, notGood("the access token is not a signed JWT of a kind that is taken here", err)
	}
	var claims struct {
		times
		Issuer   string   `json:"iss"`
		Audience audience `json:"aud"`
		Subject  string   `json:"sub"`
	}
	// What is read here is not proved yet; it only finds the key that must prove it.
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &claims); err != nil {
		return nil, notGood("the access token's claims cannot be read", err)
	}
	from := (*v.sources.Load())[claims.Issuer]
	if from == nil {
		return nil, notGood("the access token is of an issuer that is not believed here", nil)
	}
	header := signed.Signatures[0].Protected
	key, set, err := from.find(ctx, header.KeyID)
	switch {
	case errors.Is(err, errNoKeysYet):
		return nil, notNow(err)
	case err != nil || !slices.Contains(key.algs, jose.SignatureAlgorithm(header.Algorithm)):
		return nil, notGood("the access token is signed with a key that its issuer does not have", err)
	}
	payload, err := signed.Verify(key.key)
	if err != nil {
		return nil, notGood("the access token's signature is wrong", err)
	}
	if err := from.acceptable(header, claims.Audience); err != nil {
		return nil, err
	}
	expires, err := claims.window(v.deps.Now())
	if err != nil {
		return nil, err
	}
	known := &verified{from: from, by: set, expires: expires}
	if from.ours {
		known.caller, known.session, err = ourCaller(payload)
	} else {
		known.caller, err = from.issuer.caller(payload, claims.Subject)
	}
	if err != nil {
		return nil, notGood("the access token does not say who it is about: "+err.Error(), nil)
	}
	return known, nil
}

// acceptable checks what kind of token it is and for whom.
func (s *source) acceptable(header jose.Header, aud audience) error {
	kind, _ := header.ExtraHeaders[jose.HeaderType].(string)
	wanted, kinds := s.issuer.Audience, []string{"", "JWT", "jwt", typ, "application/" + typ}
	if s.ours {
		wanted, kinds = Audience, []string{typ}
		if !slices.Contains(ourAlgorithms, jose.SignatureAlgorithm(header.Algorithm)) {
			return notGood("the access token's algorithm is not one of ours", nil)
		}
	}
	if !slices.Contains(kinds, kind) {
		return notGood("the token is of another kind than an access token", nil)
	}
	if !slices.Contains(aud, wanted) {
		return notGood("the access token is meant for another audience", nil)
	}
	return nil
}

// window tells when the token ends, if it has begun. Ends in the far future are those of tokens, not of numbers.
func (t times) window(now time.Time) (expires time.Time, err error) {
	const latest = 253_402_300_799 // the end of the year 9999
	if t.Expires == nil || *t.Expires < 0 || *t.Expires > latest {
		return time.Time{}, notGood("the access token does not say when it ends", nil)
	}
	if begin := max(t.NotBefore, t.IssuedAt); begin > float64(now.Add(maxClockSkew).Unix()) {
		return time.Time{}, notGood("the access token is not good yet", nil)
	}
	return time.Unix(int64(*t.Expires), 0).UTC(), nil
}

// ourCaller reads what Sign has written.
func ourCaller(payload []byte) (Caller, string, error) {
	var c wireClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return Caller{}, "", errors.New("its claims cannot be read")
	}
	claims := Claims{Subject: c.Subject, Tenant: c.Tenant, Roles: c.Roles, IssuedAt: time.Unix(c.IssuedAt, 0), Expires: time.Unix(c.Expires, 0)}
	if err := claims.Check(); err != nil {
		return Caller{}, "", err
	}
	return Caller{Subject: c.Subject, Tenant: c.Tenant, Roles: c.Roles}, c.Session, nil
}

// notNow says that a token cannot be told good from bad at the moment.
func notNow(cause error) *errs.Error {
	e := errs.New(errs.Unavailable, errs.CodeUnavailable, "access tokens cannot be checked just now; try again shortly").Wrap(cause)
	e.RetryAfter = time.Second
	return e
}

func notGood(message string, cause error) error {
	return errs.New(errs.Unauthenticated, errs.CodeUnauthenticated, message).Wrap(cause)
}
