package sidecar

import (
	"context"
	"fmt"
	"strings"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// bulkParallelism is how many reads the sidecar may have under way for a store that has no bulk read of its own.
const bulkParallelism = 16

// comfortableAnswerBytes is a bulk answer so small that twice as many keys fit into the sidecar's message, which
// daprd bounds at 4 MiB unless it is told otherwise (--max-body-size).
const comfortableAnswerBytes = 1 << 20

// Get reads one key with strong consistency.
func (c *Client) Get(ctx context.Context, key string) (Item, error) {
	if err := checkKey(key); err != nil {
		return Item{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StateWithin)
	defer cancel()
	item, err := c.api.GetStateWithConsistency(ctx, StateStore, key, nil, dapr.StateConsistencyStrong)
	if err != nil {
		return Item{}, fmt.Errorf("get %s: %w", key, err)
	}
	return found(item.Value, item.Etag), nil
}

// GetBulk reads up to MaxBulkKeys keys, in as many calls as the size of their values asks for: the sidecar refuses
// an answer that does not fit into its message, so the number of keys in a call shrinks and grows with what came
// before. The deadline is that of one call. Dapr's bulk read has no consistency setting: on a store whose bulk reads
// may be stale (DynamoDB), so is this. Who concludes something from a key's absence reads it again with Get.
func (c *Client) GetBulk(ctx context.Context, keys []string) (map[string]Item, error) {
	if len(keys) == 0 {
		return map[string]Item{}, nil
	}
	if len(keys) > MaxBulkKeys {
		return nil, fmt.Errorf("sidecar: bulk read of %d keys, the bound is %d", len(keys), MaxBulkKeys)
	}
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return nil, err
		}
	}
	items := make(map[string]Item, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), int(c.bulkKeys.Load()))
		size, err := c.getSome(ctx, keys[:n], items)
		if status.Code(err) == codes.ResourceExhausted && n > 1 {
			c.bulkKeys.Store(int64(max(n/2, 1))) // the answer did not fit into the sidecar's message
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("get %d keys from %s: %w", n, keys[0], err)
		}
		if size < comfortableAnswerBytes && n == int(c.bulkKeys.Load()) {
			c.bulkKeys.Store(int64(min(2*n, MaxBulkKeys)))
		}
		keys = keys[n:]
	}
	return items, nil
}

// getSome reads keys in one call into items and says how many bytes came.
func (c *Client) getSome(ctx context.Context, keys []string, into map[string]Item) (bytes int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StateWithin)
	defer cancel()
	answers, err := c.api.GetBulkState(ctx, StateStore, keys, nil, bulkParallelism)
	if err != nil {
		return 0, err
	}
	for _, a := range answers {
		if a.Error != "" {
			return 0, fmt.Errorf("get %s: %s", a.Key, a.Error)
		}
		if item := found(a.Value, a.Etag); item.Value != nil {
			into[a.Key] = item
			bytes += len(item.Value)
		}
	}
	return bytes, nil
}

// Create writes key if it does not exist. Only the sidecar of a store that can say so gives ErrConflict.
func (c *Client) Create(ctx context.Context, key string, value []byte) error {
	return c.write(ctx, "create", key, value, "")
}

// Replace writes key if its ETag is still etag, which must not be empty.
func (c *Client) Replace(ctx context.Context, key string, value []byte, etag string) error {
	if etag == "" {
		return fmt.Errorf("replace %s: no ETag given", key)
	}
	return c.write(ctx, "replace", key, value, etag)
}

func (c *Client) write(ctx context.Context, what, key string, value []byte, etag string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if len(value) == 0 || len(value) > MaxValueBytes {
		return fmt.Errorf("%s %s: value of %d bytes, the bounds are 1 and %d", what, key, len(value), MaxValueBytes)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StateWithin)
	defer cancel()
	err := c.api.SaveStateWithETag(ctx, StateStore, key, value, etag, nil,
		dapr.WithConcurrency(dapr.StateConcurrencyFirstWrite), dapr.WithConsistency(dapr.StateConsistencyStrong))
	if status.Code(err) == codes.Aborted {
		return fmt.Errorf("%s %s: %w", what, key, ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, key, err)
	}
	return nil
}

// Delete removes key.
func (c *Client) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StateWithin)
	defer cancel()
	if err := c.api.DeleteState(ctx, StateStore, key, nil); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// found makes "does not exist" the same on every store: some answer an empty value.
func found(value []byte, etag string) Item {
	if len(value) == 0 {
		return Item{}
	}
	return Item{Value: value, ETag: etag}
}

// checkKey refuses what Dapr or a store would refuse late or misread: "||" separates parts of Dapr's own keys.
func checkKey(key string) error {
	if key == "" || strings.Contains(key, "||") {
		return fmt.Errorf("sidecar: %q cannot be a key", key)
	}
	return nil
}
