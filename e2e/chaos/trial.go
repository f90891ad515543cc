package chaos

import (
	"context"
	"sync"
	"time"

	"github.com/sidecart/sidecart/e2e/harness"
)

// payWithin is how long an order of a trial waits for its payment.
const payWithin = 20 * time.Second

// Options open a shop in which everything that takes its time does so within seconds: orders run out of time and are
// archived, journals get snapshots and are trimmed, and what is killed starts again at once.
func Options() []harness.Option {
	return []harness.Option{
		harness.WithQuickRestarts(),
		harness.WithPayWithin(payWithin),
		harness.WithEnv("SIDECART_ARCHIVE_AFTER", "10s"),
		harness.WithEnv("SIDECART_SNAPSHOT_EVERY", "100"),
		harness.WithEnv("SIDECART_STALE_AFTER", "2s"),
		harness.WithEnv("SIDECART_TRIM_AFTER", "15s"),
		harness.WithEnv("SIDECART_MAIL_CONCURRENCY", "8"), // our sidecar keeps concurrent mails apart
	}
}

// Trial is a shop under load with its accounts.
type Trial struct {
	Load   *Load
	Scribe *Scribe
	Books  *Books

	stopLoad, stopScribe func()
}

// Begin lets the customers of cfg into a shop that nobody has been in. End must follow.
func Begin(ctx context.Context, shop *harness.Shop, cfg LoadConfig) *Trial {
	t := &Trial{Load: NewLoad(cfg, shop), Scribe: NewScribe(shop)}
	t.Books = NewBooks(shop, t.Load, t.Scribe)
	t.stopLoad = background(ctx, t.Load.Run)
	t.stopScribe = background(ctx, t.Scribe.Run)
	return t
}

// Rest lets the customers finish, waits at most within until the shop is at rest, and gives the violations.
func (t *Trial) Rest(ctx context.Context, within time.Duration) []string {
	t.stopLoad()
	return t.Books.Balance(ctx, within, false)
}

// End is Rest and then the books once more after a cold start.
func (t *Trial) End(ctx context.Context, within time.Duration) []string {
	defer t.stopScribe()
	if wrong := t.Rest(ctx, within); len(wrong) > 0 {
		return wrong
	}
	return t.Books.BalanceCold(ctx, within, false)
}

// background runs work until the function that it gives is called, which waits for its end.
func background(ctx context.Context, work func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { work(ctx) })
	return func() { cancel(); running.Wait() }
}
