package chaos

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
)

// Killer kills processes of a shop with SIGKILL at random moments; the runner starts them again.
type Killer struct {
	Shop   *harness.Shop
	Rng    *rand.Rand
	Every  time.Duration            // on average
	Killed func(p run.Process)      // after each kill; nil: nobody asks
	May    func(p run.Process) bool // nil: any process
}

// pairPercent of the kills take a second process at the same instant.
const pairPercent = 10

// Run kills n times, or until ctx ends, and tells how often it did.
func (k *Killer) Run(ctx context.Context, n int) (kills int) {
	for kills < n && ctx.Err() == nil {
		wait(ctx, k.Every/2+time.Duration(k.Rng.Int64N(int64(k.Every))))
		victims := 1
		if k.Rng.IntN(100) < pairPercent && n-kills > 1 {
			victims = 2
		}
		for range victims {
			if ctx.Err() == nil && k.kill() {
				kills++
			}
		}
	}
	return kills
}

// kill takes one of the processes that are up; false when none is.
func (k *Killer) kill() bool {
	var up []run.Process
	for _, p := range k.Shop.Stack.Processes() {
		if p.State == run.StateReady && (k.May == nil || k.May(p)) {
			up = append(up, p)
		}
	}
	if len(up) == 0 {
		return false
	}
	victim := up[k.Rng.IntN(len(up))]
	if err := k.Shop.Stack.Kill(victim.Name, syscall.SIGKILL); err != nil {
		return false // it died by itself this instant
	}
	if k.Killed != nil {
		k.Killed(victim)
	}
	return true
}
