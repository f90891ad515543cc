// Package token makes access tokens for the clients of a shop under test, from the private key set that its runner keeps in the
// data folder. It is written after RFC 7515, 7517, 8037 and 9068 and not with the shop's own code, so that the shop is held to
// what they say. Who buys here need not sign up first: the tokens are those that signing in would give.
package token

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// FileName is the key set's file in a shop's data folder.
const FileName = "account-keys.json"

// Roles of callers.
const (
	Customer = "customer"
	Operator = "operator"
	Service  = "service"
)

// How long a token holds, and how long before its end the next one is made.
const (
	holds = time.Hour
	early = 10 * time.Minute
)

// Keys signs tokens. It is safe for concurrent use.
type Keys struct {
	id      string
	private ed25519.PrivateKey
}

// Of reads the key set of a shop by its data folder. A folder without one gives an error that is fs.ErrNotExist.
func Of(data string) (*Keys, error) { return Read(filepath.Join(data, FileName)) }

// Read reads a key set and takes its first Ed25519 key.
func Read(path string) (*Keys, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []struct {
			Type  string `json:"kty"`
			Curve string `json:"crv"`
			ID    string `json:"kid"`
			Seed  string `json:"d"`
		} `json:"keys"`
	}
	if json.Unmarshal(raw, &set) != nil {
		return nil, fmt.Errorf("%s is no key set", path) // the error could quote a key
	}
	for _, k := range set.Keys {
		if k.Type != "OKP" || k.Curve != "Ed25519" {
			continue
		}
		seed, err := base64.RawURLEncoding.DecodeString(k.Seed)
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("%s: key %s has no private part", path, k.ID)
		}
		return &Keys{id: k.ID, private: ed25519.NewKeyFromSeed(seed)}, nil
	}
	return nil, fmt.Errorf("%s has no Ed25519 key", path)
}

// Claims is what a token says. Tenant may be empty, the shop itself.
type Claims struct {
	Subject string
	Tenant  string
	Roles   []string
	Expires time.Time
}

// Sign makes a token.
func (k *Keys) Sign(c Claims) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // maps of strings, lists and numbers encode
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	payload := map[string]any{
		"iss": "sidecart", "aud": []string{"sidecart"}, "sub": c.Subject, "roles": c.Roles,
		"iat": time.Now().Unix(), "exp": c.Expires.Unix(),
	}
	if c.Tenant != "" {
		payload["tenant"] = c.Tenant
	}
	signed := part(map[string]string{"alg": "EdDSA", "typ": "at+jwt", "kid": k.id}) + "." + part(payload)
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private, []byte(signed)))
}

// Caller is somebody who always has a token that holds. It is safe for concurrent use.
type Caller struct {
	keys   *Keys // nil: the token was given
	claims Claims

	mu    sync.Mutex
	token string
}

// Caller makes one of the shop's own tenant. Its token is made when it is first asked for.
func (k *Keys) Caller(subject string, roles ...string) *Caller {
	return &Caller{keys: k, claims: Claims{Subject: subject, Roles: roles}}
}

// Given is a caller with a token that somebody else has made, such as the shop at sign-in.
func Given(text string) *Caller { return &Caller{token: text} }

// Token gives a token that holds for ten minutes at least, or the one that was given.
func (c *Caller) Token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.keys != nil && (c.token == "" || now.After(c.claims.Expires.Add(-early))) {
		c.claims.Expires = now.Add(holds)
		c.token = c.keys.Sign(c.claims)
	}
	return c.token
}
