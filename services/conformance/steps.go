package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sidecart/sidecart/services/kit/jsondoc"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// put creates key as a journal does: after an error it reads, and only an absent key is tried again.
func put(ctx context.Context, s sidecar.State, key string, value []byte) error {
	return again(ctx, func() error {
		err := s.Create(ctx, key, value)
		if err == nil {
			return nil
		}
		item, readErr := s.Get(ctx, key)
		switch {
		case readErr == nil && jsondoc.Same(item.Value, value):
			return nil
		case readErr == nil && item.Value != nil:
			return fmt.Errorf("a new key holds something else: %w", err)
		}
		return fmt.Errorf("the store does not take a new key: %w", errors.Join(err, readErr))
	})
}

// replace replaces key with its own ETag as a snapshot's header is: after an error it reads what became of it.
func replace(ctx context.Context, s sidecar.State, key string, value []byte, etag string) error {
	return again(ctx, func() error {
		err := s.Replace(ctx, key, value, etag)
		if err == nil {
			return nil
		}
		item, readErr := s.Get(ctx, key)
		if readErr == nil && item.ETag != etag && jsondoc.Same(item.Value, value) {
			return nil
		}
		return fmt.Errorf("a replace with the right ETag fails: %w", errors.Join(err, readErr))
	})
}

// read is Get with patience.
func read(ctx context.Context, s sidecar.State, key string) (item sidecar.Item, err error) {
	err = again(ctx, func() error {
		item, err = s.Get(ctx, key)
		return err
	})
	if err != nil {
		return sidecar.Item{}, fmt.Errorf("the store does not read a key: %w", err)
	}
	return item, nil
}

// expect reads key, which is to hold the document want, nil for none; what says when.
func expect(ctx context.Context, s sidecar.State, key string, want []byte, what string) error {
	item, err := read(ctx, s, key)
	if err != nil {
		return err
	}
	return holds(item, want, what)
}

func holds(item sidecar.Item, want []byte, what string) error {
	switch {
	case want == nil && item.Value != nil:
		return fmt.Errorf("%s: it reads as %s and should be absent", what, brief(item.Value))
	case want != nil && item.Value == nil:
		return fmt.Errorf("%s: it is absent and should read as %s", what, brief(want))
	case !jsondoc.Same(item.Value, want):
		return fmt.Errorf("%s: it reads as %s and should be %s", what, brief(item.Value), brief(want))
	}
	return nil
}

// brief is the beginning of a value in one line, for a message; the suite's values are no secrets.
func brief(value []byte) string {
	const longest = 60
	if len(value) <= longest {
		return strings.Join(strings.Fields(string(value)), " ")
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(string(value[:longest]), ""), len(value))
}

// how says in which words a store refuses.
func how(refusal error) string {
	if errors.Is(refusal, sidecar.ErrConflict) {
		return "refused as a conflict"
	}
	return "refused, but not as a conflict: each refusal costs a read to find out"
}
