package conformance

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// readChecks are about what is read after what was written.
func readChecks() []check {
	return []check{
		{Property{
			"read-after-write", "what was acknowledged is what everybody reads next, also through another sidecar",
			"after a lost reply a writer reads a number as free that is taken, and a refusal (sold out) is given from an old state", Unsafe,
		}, readAfterWrite},
		{Property{
			"bulk-read", fmt.Sprintf("a bulk read of %d keys gives only those that exist, each with its own value", sidecar.MaxBulkKeys),
			"a process would start from another key's values, or from a segment that nobody wrote", Unsafe,
		}, bulkRead},
		{Property{
			"bulk-read-fresh", "a bulk read misses nothing of what was acknowledged a moment ago",
			"sidecart reads each key that a bulk read misses again, alone: starts and lists are slower, nothing is lost", Degraded,
		}, bulkReadFresh},
		{Property{
			"bulk-read-large", "a bulk read of 40 snapshot chunks of 200 KB gives all of them",
			"a shop that has grown cannot start from its snapshot", Unsafe,
		}, bulkReadLarge},
		{Property{
			"delete", "a deleted key is absent to all, and deleting an absent key is no error",
			"old segments stay for ever: the store grows", Degraded,
		}, deleted},
	}
}

// readAfterWrite has writers that count up in keys of their own and look through the other sidecar after each step.
func readAfterWrite(ctx context.Context, r *run) (string, error) {
	const writers, steps = 8, 20
	failures := make([]error, writers)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() { failures[w] = countUp(ctx, r, r.key("read", w), steps) })
	}
	all.Wait()
	for _, err := range failures {
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

func countUp(ctx context.Context, r *run, key string, steps int) error {
	value := []byte(`0`)
	if err := put(ctx, r.state, key, value); err != nil {
		return err
	}
	for n := 1; ; n++ {
		item, err := read(ctx, r.other(), key)
		if err != nil {
			return err
		}
		if err := holds(item, value, "a key right after its write was acknowledged"); err != nil {
			return err
		}
		if n == steps {
			return nil
		}
		value = []byte(strconv.Itoa(n))
		if err := replace(ctx, r.state, key, value, item.ETag); err != nil {
			return err
		}
	}
}

func bulkRead(ctx context.Context, r *run) (string, error) {
	keys := make([]string, sidecar.MaxBulkKeys)
	values := make([][]byte, len(keys))
	for i := range keys {
		keys[i] = r.key("bulk", i)
		if i%3 != 1 { // the first and the last one exist
			values[i] = []byte(fmt.Sprintf(`{"key":%d}`, i))
		}
	}
	if err := putAll(ctx, r, keys, values); err != nil {
		return "", err
	}
	if err := expectAll(ctx, r, keys, values); err != nil {
		return "", err
	}
	return "", expectAll(ctx, r, []string{r.key("bulk", "nothing"), r.key("bulk", "neither")}, make([][]byte, 2))
}

// bulkReadFresh finds stores whose bulk reads are eventually consistent, as DynamoDB's are through Dapr.
func bulkReadFresh(ctx context.Context, r *run) (string, error) {
	const rounds = 5
	missed := 0
	for n := range rounds {
		keys, values := make([]string, sidecar.MaxBulkKeys), make([][]byte, sidecar.MaxBulkKeys)
		for i := range keys {
			keys[i], values[i] = r.key("fresh", n, i), []byte(strconv.Itoa(i))
		}
		if err := putAll(ctx, r, keys, values); err != nil {
			return "", err
		}
		items, err := readBulk(ctx, r, keys)
		if err != nil {
			return "", err
		}
		missed += len(keys) - len(items)
	}
	if missed > 0 {
		return "", fmt.Errorf("bulk reads missed %d of %d keys that had just been written", missed, rounds*sidecar.MaxBulkKeys)
	}
	return "", nil
}

func bulkReadLarge(ctx context.Context, r *run) (string, error) {
	const chunks, chunkBytes = 40, 200_000
	keys, values := make([]string, chunks), make([][]byte, chunks)
	for i := range keys {
		keys[i], values[i] = r.key("chunk", i), document64(uint64(i), chunkBytes)
	}
	if err := putAll(ctx, r, keys, values); err != nil {
		return "", err
	}
	return "", expectAll(ctx, r, keys, values)
}

// putAll creates the keys that have a value.
func putAll(ctx context.Context, r *run, keys []string, values [][]byte) error {
	failures := make([]error, len(keys))
	each(racers, len(keys), func(i int) {
		if values[i] != nil {
			failures[i] = put(ctx, r.state, keys[i], values[i])
		}
	})
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// expectAll reads the keys in bulk; one without a value is to be missing. What the bulk read misses is read again alone, as
// sidecart does wherever it concludes something from a key's absence.
func expectAll(ctx context.Context, r *run, keys []string, values [][]byte) error {
	items, err := readBulk(ctx, r, keys)
	if err != nil {
		return err
	}
	for i, key := range keys {
		item, there := items[key]
		if !there && values[i] != nil {
			if item, err = read(ctx, r.state, key); err != nil {
				return err
			}
		}
		if err := holds(item, values[i], fmt.Sprintf("key %d of %d in a bulk read", i+1, len(keys))); err != nil {
			return err
		}
		delete(items, key)
	}
	if len(items) > 0 {
		return fmt.Errorf("a bulk read gave %d keys that nobody asked for", len(items))
	}
	return nil
}

// readBulk is GetBulk with patience.
func readBulk(ctx context.Context, r *run, keys []string) (items map[string]sidecar.Item, err error) {
	err = again(ctx, func() error {
		items, err = r.state.GetBulk(ctx, keys)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("bulk read of %d keys: %w", len(keys), err)
	}
	return items, nil
}

func deleted(ctx context.Context, r *run) (string, error) {
	key := r.key("delete")
	if err := put(ctx, r.state, key, []byte(`1`)); err != nil {
		return "", err
	}
	for _, what := range []string{"a key", "a key that is already deleted"} {
		if err := again(ctx, func() error { return r.state.Delete(ctx, key) }); err != nil {
			return "", fmt.Errorf("delete of %s: %w", what, err)
		}
		for _, s := range []sidecar.State{r.state, r.other()} {
			if err := expect(ctx, s, key, nil, "a deleted key"); err != nil {
				return "", err
			}
		}
	}
	return "", nil
}
