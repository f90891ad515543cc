package rules

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// followStore asks the configuration store until ctx ends: at once, then every StoreEvery, and whenever the store tells of a change.
// Asking is the truth; being told only makes it fast, because several stores tell nothing unless their server is set up for it.
func (w *Watcher) followStore(ctx context.Context) {
	told := make(chan struct{}, 1)
	for ctx.Err() == nil {
		there := w.askStore(ctx)
		watching, stop := context.WithCancel(ctx)
		over := make(chan struct{})
		go func() {
			defer close(over)
			if !there {
				return
			}
			err := w.deps.Store.WatchConfiguration(watching, StoreComponent, StoreItem, func() {
				select {
				case told <- struct{}{}:
				default:
				}
			})
			w.deps.Log.Debug("the configuration store is no longer watched", slog.Any("error", err))
		}()
		w.askOn(ctx, there, told, over)
		stop()
		<-over
	}
}

// askOn asks again and again until ctx or the watch ends, or an absent store is to be looked for again.
func (w *Watcher) askOn(ctx context.Context, there bool, told, over <-chan struct{}) {
	wait := w.cfg.StoreEvery
	if !there {
		wait, over = w.cfg.StoreAgain, nil
	}
	tick := time.NewTicker(wait)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-told:
		case <-tick.C:
			if !there {
				return
			}
			select {
			case <-over: // watch anew
				return
			default:
			}
		}
		w.askStore(ctx)
	}
}

// askStore looks for the item, and tells whether there is a store at all. One that cannot be reached changes nothing.
func (w *Watcher) askStore(ctx context.Context) (there bool) {
	value, found, err := w.deps.Store.ConfigurationItem(ctx, StoreComponent, StoreItem)
	if ctx.Err() != nil {
		return false
	}
	w.mu.Lock()
	state, before, item := w.status.Store, w.status.Store, w.item
	switch {
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
	changed := w.item != item
	w.mu.Unlock()
	if state != before {
		w.deps.Log.Info("configuration store", slog.String("state", state), slog.Any("error", err))
	}
	if changed {
		w.Nudge()
	}
	return state != storeAbsent
}
