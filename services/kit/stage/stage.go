// Package stage runs the parts of a service and ends them in the right order: what takes work in ends first, the
// journal that all of it is recorded in ends last.
package stage

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// Run runs base and all parts until ctx ends or one of them ends. Then the parts' context ends, and once they
// have all returned, base's does. It returns what failed; a part that ends early without an error is a defect
// and fails too.
func Run(ctx context.Context, base func(context.Context) error, parts ...func(context.Context) error) error {
	under, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		failed = base(under)
	}()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		select {
		case <-done:
			return early(ctx, nil)
		case <-ctx.Done():
			return nil
		}
	})
	for _, part := range parts {
		group.Go(func() error { return early(ctx, part(ctx)) })
	}
	err := group.Wait()
	stop()
	<-done
	if errors.Is(failed, context.Canceled) {
		failed = nil
	}
	return errors.Join(failed, err)
}

// errEarly says that a part returned although nobody asked it to.
var errEarly = errors.New("stage: a part of the service ended by itself")

// early makes the end of a part an error unless it was asked for.
func early(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
		return nil
	case err == nil:
		return errEarly
	default:
		return err
	}
}
