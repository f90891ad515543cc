package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a key set.
const (
	MaxKeySetBytes = 256 << 10
	maxKeys        = 64
	maxKeyIDBytes  = 128
	sealKeyBytes   = 32
)

// sealKeyID keeps the dot free, which ends the id in what was sealed.
var sealKeyID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// ErrNoKeys says that a key set has none to sign with, or none to seal with.
var ErrNoKeys = errors.New("the key set needs a private Ed25519 or P-256 key to sign with and a 32-byte key of kty oct to seal with; sidecart keys new makes both")

// Keys is a shop's private key set, a JWK set (RFC 7517): Ed25519 or P-256 keys for tokens, and symmetric keys ("kty": "oct")
// that seal what is stored. The first of each kind is used for what is new; all of them verify and open. It is immutable and
// safe for concurrent use, and shows its ids alone when it is printed.
type Keys struct {
	signer jose.Signer
	public []byte // the JWK set for others
	verify map[string]verifyKey
	seals  []sealKey
	ids    []string
}

// verifyKey is a public key and the algorithms that it may be used with.
type verifyKey struct {
	key  crypto.PublicKey
	algs []jose.SignatureAlgorithm
}

// NewKeys makes a key set of one Ed25519 key and one sealing key as the document that ParseKeys reads.
func NewKeys(random io.Reader) ([]byte, error) {
	_, private, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	seal := make([]byte, sealKeyBytes)
	if _, err := io.ReadFull(random, seal); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	signing := jose.JSONWebKey{Key: private, Algorithm: string(jose.EdDSA), Use: "sig"}
	print, err := signing.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	signing.KeyID = base64.RawURLEncoding.EncodeToString(print[:12])
	id := make([]byte, 12) // a sealing key's id is not made from the key: it stands beside what is sealed
	if _, err := io.ReadFull(random, id); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	sealing := jose.JSONWebKey{Key: seal, KeyID: base64.RawURLEncoding.EncodeToString(id), Use: "enc"}
	document, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{signing, sealing}}, jsontext.Multiline(true))
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return append(document, '\n'), nil
}

// ParseKeys reads a private key set. A public key among the private ones verifies and no more. Errors name a key by its
// place and never show one.
func ParseKeys(jwks []byte) (*Keys, error) {
	list, err := parseSet(jwks)
	if err != nil {
		return nil, err
	}
	k := &Keys{verify: map[string]verifyKey{}}
	var public jose.JSONWebKeySet
	seen := map[string]bool{}
	for i, raw := range list {
		var jwk jose.JSONWebKey
		if err := jwk.UnmarshalJSON(raw); err != nil {
			return nil, fmt.Errorf("identity: key %d of the set is no usable JWK", i)
		}
		if jwk.KeyID == "" || len(jwk.KeyID) > maxKeyIDBytes || seen[jwk.KeyID] {
			return nil, fmt.Errorf("identity: key %d of the set needs a kid of its own, of 1 to %d bytes", i, maxKeyIDBytes)
		}
		seen[jwk.KeyID] = true
		k.ids = append(k.ids, jwk.KeyID)
		if secret, symmetric := jwk.Key.([]byte); symmetric {
			if len(secret) != sealKeyBytes {
				return nil, fmt.Errorf("identity: key %d of the set (kty oct) has %d bytes, want %d", i, len(secret), sealKeyBytes)
			}
			if !sealKeyID.MatchString(jwk.KeyID) {
				return nil, fmt.Errorf("identity: the kid of key %d of the set (kty oct) must be letters, digits, - and _", i)
			}
			k.seals = append(k.seals, sealKey{jwk.KeyID, secret})
			continue
		}
		theirs := jwk.Public()
		alg, ok := ourAlgorithm(theirs.Key)
		if !ok {
			return nil, fmt.Errorf("identity: key %d of the set is neither Ed25519 nor P-256 nor kty oct", i)
		}
		theirs.Algorithm, theirs.Use = string(alg), "sig"
		public.Keys = append(public.Keys, theirs)
		k.verify[jwk.KeyID] = verifyKey{theirs.Key, []jose.SignatureAlgorithm{alg}}
		if k.signer == nil && !jwk.IsPublic() {
			if k.signer, err = newSigner(alg, jwk, theirs.Key); err != nil {
				return nil, fmt.Errorf("identity: key %d of the set cannot sign: its private part is not that of its public one", i)
			}
		}
	}
	if k.signer == nil || len(k.seals) == 0 {
		return nil, fmt.Errorf("identity: %w", ErrNoKeys)
	}
	if k.public, err = json.Marshal(public); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return k, nil
}

// newSigner signs with a key whose two halves belong together. The library takes them as they are written.
func newSigner(alg jose.SignatureAlgorithm, jwk jose.JSONWebKey, public crypto.PublicKey) (jose.Signer, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jwk}, (&jose.SignerOptions{}).WithType(typ))
	if err != nil {
		return nil, err
	}
	signed, err := signer.Sign([]byte("{}"))
	if err != nil {
		return nil, err
	}
	_, err = signed.Verify(public)
	return signer, err
}

// parseSet splits a JWK set into its keys.
func parseSet(jwks []byte) ([]jsontext.Value, error) {
	if len(jwks) > MaxKeySetBytes {
		return nil, fmt.Errorf("identity: a key set of over %d bytes", MaxKeySetBytes)
	}
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, errors.New("identity: this is not a JWK set, a JSON object with a list \"keys\"") // the error could quote a key
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("identity: a key set of over %d keys", maxKeys)
	}
	return set.Keys, nil
}

// ourAlgorithm is the one algorithm that a key of ours signs with.
func ourAlgorithm(public crypto.PublicKey) (jose.SignatureAlgorithm, bool) {
	switch key := public.(type) {
	case ed25519.PublicKey:
		return jose.EdDSA, true
	case *ecdsa.PublicKey:
		return jose.ES256, key.Curve == elliptic.P256()
	}
	return "", false
}

// Sign makes a token of what is claimed.
func (k *Keys) Sign(c Claims) (string, error) {
	if err := c.Check(); err != nil {
		return "", fmt.Errorf("identity: %w", err)
	}
	payload, err := json.Marshal(wireClaims{
		Issuer: Us, Audience: audience{Audience}, Subject: c.Subject, Tenant: c.Tenant, Roles: c.Roles, Session: c.Session,
		IssuedAt: c.IssuedAt.Unix(), Expires: c.Expires.Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("identity: %w", err)
	}
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("identity: %w", err)
	}
	return signed.CompactSerialize()
}

// Public is the JWK set that others verify tokens with. It has nothing of the private parts, nor of the sealing keys.
func (k *Keys) Public() []byte { return k.public }

// String names the keys.
func (k *Keys) String() string { return "keys " + strings.Join(k.ids, ", ") }

// GoString is String, so that no verb shows a key.
func (k *Keys) GoString() string { return k.String() }

// LogValue is String.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }
