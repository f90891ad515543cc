package identity

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// MaxTokenBytes bounds an access token.
const MaxTokenBytes = 8 << 10

// maxClockSkew is how far ahead of ours an issuer's clock may be. A token's end is its end by our clock.
const maxClockSkew = 30 * time.Second

// Config of a Verifier.
type Config struct {
	KeysURL    string        // of our own public keys; default http://account/v1/accounts/keys
	RevokedURL string        // of our own sessions that have ended; default http://account/internal/revoked
	PollEvery  time.Duration // of what was revoked; default 2 s: as long does a token outlive its session
}

// Deps is what a Verifier needs from outside.
type Deps struct {
	Inside  *http.Client          // reaches our services by name
	Outside *http.Client          // reaches other issuers; nil: a client of its own that follows no redirects
	Now     func() time.Time      // default time.Now
	Log     *slog.Logger          // default discards
	Metrics prometheus.Registerer // nil: none are registered
}

// Verifier tells who has sent a token. It is safe for concurrent use; without its Run nothing can be verified.
type Verifier struct {
	deps    Deps
	ours    *source
	cache   *cache
	revoked *revoked
	metrics *metrics

	mu      sync.Mutex
	sources atomic.Pointer[map[string]*source] // by iss
	changed chan struct{}
}

// NewVerifier makes a Verifier that believes our own tokens, and those of the issuers once SetIssuers has named them.
func NewVerifier(cfg Config, deps Deps) (*Verifier, error) {
	if deps.Inside == nil {
		return nil, errors.New("identity: Deps.Inside is missing")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Outside == nil {
		deps.Outside = &http.Client{Timeout: fetchWithin}
	}
	outside := *deps.Outside
	outside.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	deps.Outside = &outside
	v := &Verifier{
		deps: deps, cache: newCache(cacheEntries), changed: make(chan struct{}, 1),
		ours: (&source{
			ours: true, url: cmp.Or(cfg.KeysURL, "http://account/v1/accounts/keys"), every: ourKeysEvery,
			client: deps.Inside, now: deps.Now, log: deps.Log,
		}).ready(),
		revoked: newRevoked(cmp.Or(cfg.RevokedURL, "http://account/internal/revoked"), cmp.Or(cfg.PollEvery, 2*time.Second), deps),
	}
	v.sources.Store(&map[string]*source{Us: v.ours})
	v.metrics = newMetrics(deps.Metrics, v)
	return v, nil
}

// SetIssuers says which other issuers are believed from now on. Those that stay as they were keep their keys. It changes
// nothing when CheckIssuers finds a fault.
func (v *Verifier) SetIssuers(issuers []Issuer) error {
	if faults := CheckIssuers(issuers); len(faults) > 0 {
		return fmt.Errorf("identity: issuers: %w", faults[0])
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	was, now := *v.sources.Load(), map[string]*source{Us: v.ours}
	for _, is := range issuers {
		if s := was[is.Issuer]; s != nil && reflect.DeepEqual(s.issuer, is) {
			now[is.Issuer] = s
			continue
		}
		now[is.Issuer] = (&source{
			issuer: is, url: is.JWKSURI, every: theirKeysEvery, client: v.deps.Outside, now: v.deps.Now, log: v.deps.Log,
		}).ready()
	}
	v.sources.Store(&now)
	select {
	case v.changed <- struct{}{}:
	default:
	}
	return nil
}

// Ready is nil once our own keys and ended sessions are known; without them no token of ours can be told good from bad.
func (v *Verifier) Ready() error {
	if v.ours.keys.Load() == nil {
		return errNoKeysYet
	}
	return v.revoked.ready()
}

// Run keeps the keys of all issuers and the list of ended sessions up to date until ctx ends.
func (v *Verifier) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	defer loops.Wait()
	loops.Go(func() { v.revoked.run(ctx) })
	running := map[*source]context.CancelFunc{}
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	for {
		wanted := *v.sources.Load()
		for s, stop := range running {
			if wanted[cmp.Or(s.issuer.Issuer, Us)] != s {
				stop()
				delete(running, s)
			}
		}
		for _, s := range wanted {
			if running[s] == nil {
				own, stop := context.WithCancel(ctx)
				running[s] = stop
				loops.Go(func() { s.run(own) })
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-v.changed:
		}
	}
}

// Verify tells who has sent the token and when it ends. A token that is not good is errs.CodeUnauthenticated, with a message
// that says why and may be shown; errs.Unavailable says that it cannot be told now.
//
// What was verified is remembered until the token ends, its issuer's keys change or its session is revoked: a signature
// costs about 50 µs to check, looking it up less than one.
func (v *Verifier) Verify(ctx context.Context, token string) (Caller, time.Time, error) {
	if token == "" || len(token) > MaxTokenBytes {
		return v.refuse("malformed", "the access token is empty or too long")
	}
	var room [1 << 10]byte // nearly all tokens fit, and need no memory of their own
	of := sha256.Sum256(append(room[:0], token...))
	known := v.cache.get(of)
	if known != nil && known.by != known.from.keys.Load() || known != nil && !v.believed(known.from) {
		v.cache.drop(of)
		known = nil
	}
	fresh := known == nil
	if fresh {
		var err error
		if known, err = v.check(ctx, token); err != nil {
			v.metrics.count(errs.From(err))
			return Caller{}, time.Time{}, err
		}
	}
	if !v.deps.Now().Before(known.expires) {
		v.cache.drop(of)
		return v.refuse("expired", "the access token has expired")
	}
	ended, err := v.revoked.has(ctx, known.session)
	if err != nil {
		e := notNow(err)
		v.metrics.count(e)
		return Caller{}, time.Time{}, e
	}
	if ended {
		v.cache.drop(of)
		return v.refuse("revoked", "the session of the access token has ended; sign in again")
	}
	if fresh {
		v.cache.put(of, known)
		v.metrics.checked.Inc()
	} else {
		v.metrics.cached.Inc()
	}
	return known.caller, known.expires, nil
}

// believed tells whether the source is still one of those that were configured.
func (v *Verifier) believed(s *source) bool {
	return s.ours || (*v.sources.Load())[s.issuer.Issuer] == s
}

func (v *Verifier) refuse(reason, message string) (Caller, time.Time, error) {
	v.metrics.refused.WithLabelValues(reason).Inc()
	return Caller{}, time.Time{}, errs.New(errs.Unauthenticated, errs.CodeUnauthenticated, message)
}
