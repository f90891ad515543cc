package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
)

// maxRevokedBytes bounds the list of ended sessions; 40 bytes each, it has room for over 400,000 of them.
const maxRevokedBytes = 16 << 20

// Revoked is the document in which the account service lists the sessions that ended while a token of theirs may still be
// good.
type Revoked struct {
	Sessions []string `json:"sessions"`
}

// revoked is the list as it was last heard. Before that nobody knows what has ended, as a process that has just begun has forgotten
// what it knew. While the account service is away later the list stays as it is: a token then outlives its session for as long as that
// lasts, but never its own end.
type revoked struct {
	url    string
	every  time.Duration
	client *http.Client
	log    *slog.Logger
	list   atomic.Pointer[map[string]struct{}] // nil: not heard yet
	asked  chan struct{}                       // closed after the first attempt
}

func newRevoked(url string, every time.Duration, deps Deps) *revoked {
	return &revoked{url: url, every: every, client: deps.Inside, log: deps.Log, asked: make(chan struct{})}
}

// errNoListYet says that it cannot be told which sessions have ended.
var errNoListYet = errors.New("the list of ended sessions could not be fetched yet")

// has tells whether the session has ended; a token without a session has none that could. It waits for the first attempt to fetch
// the list; errNoListYet says that this failed, and so did those since.
func (r *revoked) has(ctx context.Context, session string) (bool, error) {
	if session == "" {
		return false, nil
	}
	list := r.list.Load()
	if list == nil {
		select {
		case <-r.asked:
		case <-ctx.Done():
		}
		if list = r.list.Load(); list == nil {
			return false, errNoListYet
		}
	}
	_, ended := (*list)[session]
	return ended, nil
}

// ready is nil once the list was heard.
func (r *revoked) ready() error {
	if r.list.Load() == nil {
		return errNoListYet
	}
	return nil
}

func (r *revoked) run(ctx context.Context) {
	failing := false
	for first := true; ; first = false {
		err := r.fetch(ctx)
		if first {
			close(r.asked)
		}
		if err != nil && !failing && ctx.Err() == nil {
			r.log.WarnContext(ctx, "the list of ended sessions cannot be fetched; the last one stays in use",
				slog.Bool("has_list", r.ready() == nil), slog.Any("error", err))
		}
		failing = err != nil
		pause := r.every
		if r.ready() != nil {
			pause = min(pause, firstKeysEvery)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (r *revoked) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	document, err := get(ctx, r.client, r.url, maxRevokedBytes)
	if err != nil {
		return err
	}
	var now Revoked
	if err := json.Unmarshal(document, &now); err != nil {
		return fmt.Errorf("the list of ended sessions: %w", err)
	}
	list := make(map[string]struct{}, len(now.Sessions))
	for _, session := range now.Sessions {
		list[session] = struct{}{}
	}
	r.list.Store(&list)
	return nil
}
