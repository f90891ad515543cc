package identity

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

// How keys of issuers are kept up to date.
const (
	ourKeysEvery    = 30 * time.Second // a key that was taken out of our set verifies nothing after this
	theirKeysEvery  = 5 * time.Minute
	unknownKeyEvery = 5 * time.Second // a token with a key that is not known yet makes us look, this often at most
	retryKeysEvery  = time.Second
	firstKeysEvery  = 200 * time.Millisecond // while there are none: a start waits for them
	fetchWithin     = 3 * time.Second
	minRSABits      = 2048 // NIST SP 800-131A
	maxRSABits      = 8192 // what a verification may cost
)

// source is an issuer and its public keys. Its run loop fetches them; everything else may be called by anybody.
type source struct {
	issuer Issuer // zero: ourselves
	ours   bool
	url    string // of the keys; "": discovered
	every  time.Duration
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	keys atomic.Pointer[keySet] // nil: none yet, or the issuer is not believed any more
	wake chan struct{}

	mu    sync.Mutex
	asked bool          // somebody waits for an attempt
	done  chan struct{} // closed when the next attempt is over
	next  time.Time     // no attempt for an unknown key before this
}

// keySet is immutable; as long as the keys stay, so does its address.
type keySet struct {
	digest [sha256.Size]byte // of the document
	keys   map[string]verifyKey
}

// ready gives a source that has its fields what its loop needs.
func (s *source) ready() *source {
	s.wake, s.done = make(chan struct{}, 1), make(chan struct{})
	return s
}

// errNoKeysYet says that nothing can be verified at the moment.
var errNoKeysYet = errors.New("the issuer's keys could not be fetched yet")

// errUnknownKey says that the issuer has no such key.
var errUnknownKey = errors.New("the issuer has no such key")

// find gives the key with an id and the set that it is in. It looks for new keys when the id is not known, and waits for that.
func (s *source) find(ctx context.Context, id string) (verifyKey, *keySet, error) {
	for looked := false; ; looked = true {
		set := s.keys.Load()
		if set != nil {
			if key, ok := set.keys[id]; ok {
				return key, set, nil
			}
		}
		if looked || !s.look(ctx) {
			if set == nil {
				return verifyKey{}, nil, errNoKeysYet
			}
			return verifyKey{}, nil, errUnknownKey
		}
	}
}

// look waits for an attempt to fetch the keys, and is false when there has been one just now.
func (s *source) look(ctx context.Context) bool {
	s.mu.Lock()
	done := s.done
	if !s.asked {
		if s.now().Before(s.next) {
			s.mu.Unlock()
			return false
		}
		s.asked = true
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	s.mu.Unlock()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// run fetches the keys at once, every now and then, and when somebody asks for it, until ctx ends.
func (s *source) run(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		err := s.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		pause, gap := s.every, unknownKeyEvery
		if err != nil {
			pause, gap = min(s.every, theirKeysEvery/10), retryKeysEvery
			if s.keys.Load() == nil {
				pause = firstKeysEvery
			}
		}
		if err != nil && !failing {
			s.log.WarnContext(ctx, "the keys of an issuer of tokens cannot be fetched; the last ones stay in use",
				slog.String("issuer", s.name()), slog.Bool("has_keys", s.keys.Load() != nil), slog.Any("error", err))
		}
		failing = err != nil
		s.attempted(gap)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// attempted tells who waits that an attempt is over.
func (s *source) attempted(gap time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.next = false, s.now().Add(gap)
	close(s.done)
	s.done = make(chan struct{})
	select {
	case <-s.wake: // it was for this attempt
	default:
	}
}

// name is the issuer as logs call it.
func (s *source) name() string {
	if s.ours {
		return Us
	}
	return s.issuer.Name
}

// fetch gets the keys; an error leaves those that are there.
func (s *source) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	url := s.url
	if url == "" {
		var err error
		if url, err = s.discover(ctx); err != nil {
			return err
		}
	}
	document, err := get(ctx, s.client, url, MaxKeySetBytes)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(document)
	if was := s.keys.Load(); was != nil && was.digest == digest {
		return nil
	}
	keys, err := parsePublic(document, s.ours)
	if err != nil {
		return err
	}
	s.keys.Store(&keySet{digest, keys})
	return nil
}

// discover asks the issuer where its keys are (OpenID Connect Discovery 1.0).
func (s *source) discover(ctx context.Context) (string, error) {
	document, err := get(ctx, s.client, strings.TrimSuffix(s.issuer.Issuer, "/")+"/.well-known/openid-configuration", MaxKeySetBytes)
	if err != nil {
		return "", err
	}
	var found struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(document, &found); err != nil {
		return "", fmt.Errorf("its discovery document: %w", err)
	}
	if found.Issuer != s.issuer.Issuer {
		return "", fmt.Errorf("its discovery document is of issuer %q", found.Issuer)
	}
	if err := checkAddress(found.JWKSURI); err != nil {
		return "", fmt.Errorf("jwks_uri of its discovery document %w", err)
	}
	return found.JWKSURI, nil
}

// get reads a small document.
func get(ctx context.Context, client *http.Client, url string, maxBytes int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", url, resp.StatusCode)
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(io.LimitReader(resp.Body, maxBytes+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	if int64(body.Len()) > maxBytes {
		return nil, fmt.Errorf("%s answered with over %d bytes", url, maxBytes)
	}
	return body.Bytes(), nil
}

// parsePublic reads a public key set. Keys for other things, or of kinds that we do not take, are passed over: an issuer may
// have more keys than those that concern us.
func parsePublic(document []byte, ours bool) (map[string]verifyKey, error) {
	list, err := parseSet(document)
	if err != nil {
		return nil, err
	}
	keys := map[string]verifyKey{}
	for _, raw := range list {
		var jwk jose.JSONWebKey
		if jwk.UnmarshalJSON(raw) != nil || jwk.KeyID == "" || len(jwk.KeyID) > maxKeyIDBytes || jwk.Use == "enc" || !jwk.IsPublic() {
			continue
		}
		algs := algorithms(jwk.Key, ours)
		if jwk.Algorithm != "" {
			if !slices.Contains(algs, jose.SignatureAlgorithm(jwk.Algorithm)) {
				continue
			}
			algs = []jose.SignatureAlgorithm{jose.SignatureAlgorithm(jwk.Algorithm)}
		}
		if _, twice := keys[jwk.KeyID]; twice || len(algs) == 0 {
			continue
		}
		keys[jwk.KeyID] = verifyKey{jwk.Key, algs}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key that can be used")
	}
	return keys, nil
}

// algorithms are those that a public key may be used with. RSA is for other issuers alone, many of which have nothing else.
// A symmetric key is none of these: what is public proves nothing (RFC 8725, 3.1).
func algorithms(key crypto.PublicKey, ours bool) []jose.SignatureAlgorithm {
	switch key := key.(type) {
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return []jose.SignatureAlgorithm{jose.ES256}
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); !ours && bits >= minRSABits && bits <= maxRSABits {
			return []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
		}
	}
	return nil
}
