package identity

import (
	"context"
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

// revoked is the list as it was last heard; before that, when the account service is away at the start, nothing has ended. While it is
// away the list stays as it is: a token then outlives its session for as long as the service is away, but never its own end.
type revoked struct {
	url    string
	every  time.Duration
	client *http.Client
	log    *slog.Logger
	list   atomic.Pointer[map[string]struct{}]
}

func newRevoked(url string, every time.Duration, deps Deps) *revoked {
	r := &revoked{url: url, every: every, client: deps.Inside, log: deps.Log}
	r.list.Store(&map[string]struct{}{})
	return r
}

// has tells whether the session has ended; a token without a session has none that could.
func (r *revoked) has(session string) bool {
	if session == "" {
		return false
	}
	_, ended := (*r.list.Load())[session]
	return ended
}

func (r *revoked) run(ctx context.Context) {
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	failing := false
	for {
		err := r.fetch(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			r.log.WarnContext(ctx, "the list of ended sessions cannot be fetched; the last one stays in use", slog.Any("error", err))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
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
