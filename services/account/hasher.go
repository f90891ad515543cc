package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// parameters of argon2id (RFC 9106). They stand with each hash, so that they can change.
type parameters struct {
	memoryKiB uint32
	passes    uint32
	lanes     uint8
}

// recommended is OWASP's choice for a server (Password Storage Cheat Sheet): 26 ms of one processor here.
var recommended = parameters{memoryKiB: 19 << 10, passes: 2, lanes: 1}

// Bounds of hashes that are read: what is more was not made here.
const (
	maxMemoryKiB = 256 << 10
	maxPasses    = 16
	saltBytes    = 16
	hashBytes    = 32
)

// Bounds of hashing: 19 MiB and a processor each.
const (
	hashesAtOnce  = 2
	hashesWaiting = 16
	hashWait      = 2 * time.Second
)

// hasher hashes and compares passwords, a bounded number at a time. It is safe for concurrent use.
type hasher struct {
	with  parameters
	turn  chan struct{} // who hashes
	place chan struct{} // who hashes or waits for it
	decoy string        // a hash that no password has
}

func newHasher(with parameters) *hasher {
	h := &hasher{with: with, turn: make(chan struct{}, hashesAtOnce), place: make(chan struct{}, hashesAtOnce+hashesWaiting)}
	// Its salt and hash are zero: comparing costs what it costs for a real one, and nothing hashes to zero.
	h.decoy = h.write(with, make([]byte, saltBytes), make([]byte, hashBytes))
	return h
}

// hash makes the hash of a password with a new salt, in the PHC string format. It fails with errs.Overloaded when too many wait.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	done, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails: crypto/rand
	return h.write(h.with, salt, h.with.derive(password, salt)), nil
}

// compare tells whether the password has the hash, and whether the hash was made with other parameters than are used now.
func (h *hasher) compare(ctx context.Context, hash, password string) (same, stale bool, err error) {
	p, salt, want, err := read(hash)
	if err != nil {
		return false, false, err
	}
	done, err := h.enter(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	return subtle.ConstantTimeCompare(p.derive(password, salt), want) == 1, p != h.with, nil
}

// pretend takes as long as compare, for an address without an account.
func (h *hasher) pretend(ctx context.Context, password string) error {
	_, _, err := h.compare(ctx, h.decoy, password)
	return err
}

// enter waits for a turn.
func (h *hasher) enter(ctx context.Context) (done func(), err error) {
	select {
	case h.place <- struct{}{}:
	default:
		return nil, errs.Overloaded("the queue of sign-ins")
	}
	ctx, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	select {
	case h.turn <- struct{}{}:
		return func() { <-h.turn; <-h.place }, nil
	case <-ctx.Done():
		<-h.place
		return nil, errs.Overloaded("the queue of sign-ins").Wrap(ctx.Err())
	}
}

func (p parameters) derive(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, p.passes, p.memoryKiB, p.lanes, hashBytes)
}

func (h *hasher) write(p parameters, salt, hash []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memoryKiB, p.passes, p.lanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(hash))
}

// read takes a hash apart. Its error shows nothing of it.
func read(phc string) (p parameters, salt, hash []byte, err error) {
	var version int
	parts := strings.Split(phc, "$")
	if len(parts) == 6 && parts[0] == "" && parts[1] == "argon2id" {
		_, err = fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &p.memoryKiB, &p.passes, &p.lanes)
		if err == nil {
			salt, err = base64.RawStdEncoding.DecodeString(parts[4])
		}
		if err == nil {
			hash, err = base64.RawStdEncoding.DecodeString(parts[5])
		}
	}
	if err != nil || version != argon2.Version || len(salt) < 8 || len(hash) != hashBytes || p.lanes < 1 || p.passes < 1 ||
		p.passes > maxPasses || p.memoryKiB > maxMemoryKiB {
		return parameters{}, nil, nil, fmt.Errorf("account: this is no argon2id hash of ours")
	}
	return p, salt, hash, nil
}
