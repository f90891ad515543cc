package rules

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// followStore asks the configuration store until ctx ends, whatever becomes of it or of the sidecar meanwhile.
func (w *Watcher) followStore(ctx context.Context) {
	for ctx.Err() == nil {
		switch w.askStore(ctx) {
		case storeAbsent:
			pause(ctx, w.cfg.StoreAgain)
		case storeUnreachable: // at the start, the sidecar is often later than we are
			pause(ctx, w.cfg.Every)
		default:
			w.watchStore(ctx)
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// watchStore asks every StoreEvery, and whenever the store tells of a change, until it cannot be reached or no longer tells. Asking is
// the truth; being told only makes it fast, because a store may tell nothing unless its server is set up for it.
func (w *Watcher) watchStore(ctx context.Context) {
	watching, stop := context.WithCancel(ctx)
	told, over := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(over)
		err := w.deps.Store.WatchConfiguration(watching, StoreComponent, StoreItem, func() {
			select {
			case told <- struct{}{}:
			default:
			}
		})
		w.deps.Log.Debug("the configuration store is no longer watched", slog.Any("error", err))
	}()
	defer func() { stop(); <-over }()
	tick := time.NewTicker(w.cfg.StoreEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-told:
		case <-tick.C:
			select {
			case <-over: // to be watched anew
				return
			default:
			}
		}
		if state := w.askStore(ctx); state == storeAbsent || state == storeUnreachable {
			return
		}
	}
}

// askStore looks for the item, and tells the state of the store. One that cannot be reached changes nothing.
func (w *Watcher) askStore(ctx context.Context) (state string) {
	value, found, err := w.deps.Store.ConfigurationItem(ctx, StoreComponent, StoreItem)
	w.mu.Lock()
	defer w.mu.Unlock()
	before, item := w.status.Store, w.item
	switch {
	case ctx.Err() != nil:
		return before
	case errors.Is(err, sidecar.ErrNoStore):
		state, w.item = storeAbsent, ""
	case err != nil:
		state = storeUnreachable
	case !found || value == "":
		state, w.item = storeEmpty, ""
	default:
		state, w.item = storeUsed, value
	}
	w.status.Store = state
	if state != before {
		w.deps.Log.Info("configuration store", slog.String("state", state), slog.Any("error", err))
	}
	if w.item != item {
		w.Nudge()
	}
	return state
}
