package account

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sidecart/sidecart/services/host"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/stage"
)

// Name is the service's name: its app id, topic and key prefix.
const Name = "account"

// Where the key set is: the secret keysSecret of the component keysStore.
const (
	keysStore  = "account-secrets"
	keysSecret = "KEYS"
)

// How often what changes by itself is looked after.
const (
	firstKeysEvery = time.Second // until there are keys
	keysEvery      = time.Minute
	sweepEvery     = time.Hour
)

//go:embed openapi.yaml
var contract []byte

// Config of the service; zero fields get the defaults.
type Config struct {
	Journal journal.Config // Service is set by New
}

// Service is account as a part of a host.
type Service struct {
	deps    host.Deps
	journal *journal.Journal[*state]
	keys    atomic.Pointer[identity.Keys] // nil until they are read
	hasher  *hasher
	guard   *guard
}

var _ host.Service = (*Service)(nil)

// New wires the service; it starts nothing.
func New(cfg Config, deps host.Deps) (*Service, error) { return newService(cfg, recommended, deps) }

// newService is New with other parameters of hashing, for tests.
func newService(cfg Config, hashing parameters, deps host.Deps) (*Service, error) {
	cfg.Journal.Service = Name
	j, err := journal.New(cfg.Journal, machine{}, journal.Deps{
		State: deps.State, Publish: journal.AnnounceOn(deps.Publisher), Now: deps.Now, Writer: deps.Writer, Log: deps.Log, Metrics: deps.Metrics,
	})
	if err != nil {
		return nil, err
	}
	return &Service{deps: deps, journal: j, hasher: newHasher(hashing), guard: newGuard(deps.Now)}, nil
}

// Name is "account".
func (s *Service) Name() string { return Name }

// Contract is openapi.yaml.
func (s *Service) Contract() []byte { return contract }

// Follows nobody.
func (s *Service) Follows() map[string]func(context.Context, []byte) bool { return nil }

// Run works until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	return stage.Run(ctx, s.journal.Run, s.keepKeys, s.sweep)
}

// Ready is nil when there are keys and the journal can commit.
func (s *Service) Ready() error {
	if _, err := s.keySet(); err != nil {
		return err
	}
	return s.journal.Ready()
}

// keySet gives the keys, or says that there are none yet.
func (s *Service) keySet() (*identity.Keys, error) {
	if k := s.keys.Load(); k != nil {
		return k, nil
	}
	e := errs.New(errs.Unavailable, errs.CodeUnavailable, "accounts cannot be reached just now; try again shortly").
		Wrap(fmt.Errorf("account: the secret %s of the component %s could not be read yet; see the log", keysSecret, keysStore))
	e.RetryAfter = time.Second
	return nil, e
}

// keepKeys reads the key set until it is there, and then again every now and then: a store of secrets may be given another. A
// set that cannot be read leaves the one that is in use.
func (s *Service) keepKeys(ctx context.Context) error {
	told := ""
	for {
		err := s.readKeys(ctx)
		if err != nil && ctx.Err() == nil && err.Error() != told {
			told = err.Error()
			s.deps.Log.WarnContext(ctx, "the keys of accounts cannot be read: give the sidecar a key set that sidecart keys new makes, in SIDECART_ACCOUNT_KEYS",
				slog.Bool("has_keys", s.keys.Load() != nil), slog.Any("error", err))
		}
		pause := keysEvery
		if s.keys.Load() == nil {
			pause = firstKeysEvery
		}
		if !wait(ctx, pause) {
			return nil
		}
	}
}

func (s *Service) readKeys(ctx context.Context) error {
	document, err := s.deps.Secrets.Secret(ctx, keysStore, keysSecret)
	if err != nil {
		return err
	}
	keys, err := identity.ParseKeys([]byte(document))
	if err != nil {
		return err
	}
	if was := s.keys.Swap(keys); was == nil || was.String() != keys.String() {
		s.deps.Log.InfoContext(ctx, "accounts have their keys", slog.Any("set", keys))
	}
	return nil
}

// wait is false when ctx ends before d is over.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// sweepBatch is how many accounts one command looks after.
const sweepBatch = 256

// sweep ends sessions that nobody uses any more, so that they leave memory. What it misses it finds the next time.
func (s *Service) sweep(ctx context.Context) error {
	for {
		if !wait(ctx, sweepEvery) {
			return nil
		}
		for shard := range s.journal.Shards() {
			if err := s.sweepShard(ctx, shard); err != nil && ctx.Err() == nil {
				s.deps.Log.WarnContext(ctx, "unused sessions could not be ended", slog.Int("shard", shard), slog.Any("error", err))
			}
		}
	}
}

func (s *Service) sweepShard(ctx context.Context, shard int) error {
	now := s.deps.Now()
	var ids []string
	end := func() error {
		if len(ids) == 0 {
			return nil
		}
		_, err := s.journal.DoShard(ctx, shard, expire{IDs: ids})
		ids = nil
		return err
	}
	for id, a := range s.journal.State(shard).accounts.All() {
		if len(a.expired(now)) == 0 {
			continue
		}
		if ids = append(ids, id); len(ids) == sweepBatch {
			if err := end(); err != nil {
				return err
			}
		}
	}
	return end()
}

// loaded refuses while the state is still being read from the store.
func (s *Service) loaded() error {
	select {
	case <-s.journal.Loaded():
		return nil
	default:
		e := errs.New(errs.Unavailable, errs.CodeUnavailable, "accounts are being loaded; try again shortly").Wrap(errors.New("account: not loaded"))
		e.RetryAfter = time.Second
		return e
	}
}

// find gives an account from memory, and looks again with what other replicas have committed if it is not there. nil: there
// is none.
func (s *Service) find(ctx context.Context, id string) (*account, error) {
	if err := s.loaded(); err != nil {
		return nil, err
	}
	shard := s.journal.ShardOf(id)
	if a := s.journal.State(shard).get(id); a != nil {
		return a, nil
	}
	return s.fresh(ctx, id)
}

// fresh is the account with everything that was committed before the call.
func (s *Service) fresh(ctx context.Context, id string) (*account, error) {
	if err := s.loaded(); err != nil {
		return nil, err
	}
	shard := s.journal.ShardOf(id)
	if err := s.journal.Sync(ctx, shard); err != nil {
		return nil, err
	}
	return s.journal.State(shard).get(id), nil
}

// bySubject finds the account of somebody who has signed in; nil for the subject of another issuer or of a token made by hand.
func (s *Service) bySubject(ctx context.Context, c identity.Caller) (*account, error) {
	if err := s.loaded(); err != nil {
		return nil, err
	}
	for _, again := range []bool{false, true} {
		for shard := range s.journal.Shards() {
			if again {
				if err := s.journal.Sync(ctx, shard); err != nil {
					return nil, err
				}
			}
			if a := s.journal.State(shard).bySubject(c.Subject); a != nil && a.Tenant == c.Tenant {
				return a, nil
			}
		}
	}
	return nil, nil
}
