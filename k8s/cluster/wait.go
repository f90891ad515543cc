package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// Final makes Eventually give up: waiting would not help.
func Final(err error) error { return finalError{err} }

// Eventually asks again and again until the answer is nil or Final, or the time is over; then it answers the last error.
func Eventually(ctx context.Context, within time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last error
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err // what is asked when the time is over fails of that
		}
		if final := (finalError{}); errors.As(err, &final) {
			return final.error
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", within, last)
		}
	}
}
