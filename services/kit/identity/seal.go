package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrNotOurs says that something was not sealed or tagged by a key of the set, for that purpose, or was changed since.
var ErrNotOurs = errors.New("was not made with a key of this set")

// sealKey is a symmetric key of the set. What it does for one purpose says nothing about another: each has a key of its own
// (HKDF, RFC 5869).
type sealKey struct {
	id     string
	secret []byte
}

func (s sealKey) derive(use, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, s.secret, nil, "sidecart "+use+" "+purpose, sealKeyBytes)
	if err != nil {
		panic(err) // only for a length that SHA-256 cannot give
	}
	return key
}

// aead is AES-256-GCM with random nonces of 96 bits: safe for 2^32 messages of one key and purpose (NIST SP 800-38D).
func (s sealKey) aead(purpose string) cipher.AEAD {
	block, err := aes.NewCipher(s.derive("seal", purpose))
	if err != nil {
		panic(err) // only for a key of another length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for a block of another length
	}
	return aead
}

// Seal encrypts something for a purpose with the first sealing key. What it is about is not in it, but Open must name the
// same, so that it cannot be moved to be about something else.
func (k *Keys) Seal(purpose, about string, plain []byte) string {
	key := k.seals[0]
	return key.id + "." + base64.RawURLEncoding.EncodeToString(key.aead(purpose).Seal(nil, nil, plain, []byte(about)))
}

// Open decrypts what Seal has made with any key of the set. Fresh is false when that was another than the first: it had
// better be sealed anew before that key leaves the set.
func (k *Keys) Open(purpose, about, sealed string) (plain []byte, fresh bool, err error) {
	id, text, _ := strings.Cut(sealed, ".")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, false, fmt.Errorf("identity: %s %w", purpose, ErrNotOurs)
	}
	for i, key := range k.seals {
		if key.id != id {
			continue
		}
		if plain, err = key.aead(purpose).Open(nil, nil, raw, []byte(about)); err == nil {
			return plain, i == 0, nil
		}
	}
	return nil, false, fmt.Errorf("identity: %s %w", purpose, ErrNotOurs)
}

// Tag makes a token out of data that anybody may read: the data and an HMAC-SHA-256 of it for the purpose. The same data
// gives the same token for as long as the first sealing key stays the first.
func (k *Keys) Tag(purpose string, data []byte) string {
	key := k.seals[0]
	return key.id + "." + base64.RawURLEncoding.EncodeToString(append(data[:len(data):len(data)], key.mac(purpose, data)...))
}

// Untag gives the data of a token that Tag has made with any key of the set.
func (k *Keys) Untag(purpose, token string) ([]byte, error) {
	id, text, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < sha256.Size || base64.RawURLEncoding.EncodedLen(len(raw)) != len(text) { // the decoder passes over line breaks
		return nil, fmt.Errorf("identity: %s %w", purpose, ErrNotOurs)
	}
	data, mac := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	for _, key := range k.seals {
		if key.id == id && hmac.Equal(mac, key.mac(purpose, data)) {
			return data, nil
		}
	}
	return nil, fmt.Errorf("identity: %s %w", purpose, ErrNotOurs)
}

func (s sealKey) mac(purpose string, data []byte) []byte {
	h := hmac.New(sha256.New, s.derive("tag", purpose))
	h.Write(data)
	return h.Sum(nil)
}
