package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// Both scripts answer 1 (taken), 0 (not enough is left) or -1 (no such SKU). A SKU is a hash with `received` and `available`.
var (
	// decrement is the least that does not oversell. It cannot tell a repeat from a new request.
	decrement = redis.NewScript(`
local available = redis.call('HGET', KEYS[1], 'available')
if not available then return -1 end
if tonumber(available) < tonumber(ARGV[1]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'available', -ARGV[1])
return 1`)
	// pending also keeps the reservation under its id, which makes a repeat harmless, and enters it where a sweeper would look for
	// what has expired.
	pending = redis.NewScript(`
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
local available = redis.call('HGET', KEYS[1], 'available')
if not available then return -1 end
if tonumber(available) < tonumber(ARGV[1]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'available', -ARGV[1])
redis.call('HSET', KEYS[2], 'quantity', ARGV[1], 'status', 'pending', 'expires_at', ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[2], KEYS[2])
return 1`)
)

// lua is a shop in Redis.
type lua struct {
	client *redis.Client
	idem   bool
}

// newLua connects to SIDECART_REDIS_HOST with SIDECART_REDIS_PASSWORD and at most pool connections, all of them kept; 0 leaves both to
// go-redis, which has ten for each processor at most.
func newLua(ctx context.Context, pool int, idem bool) (*lua, error) {
	address := os.Getenv("SIDECART_REDIS_HOST")
	if address == "" {
		return nil, errors.New("SIDECART_REDIS_HOST is not set: it names the server as host:port")
	}
	c := redis.NewClient(&redis.Options{
		Addr: address, Password: os.Getenv("SIDECART_REDIS_PASSWORD"), PoolSize: pool, MinIdleConns: pool,
		MaxRetries: -1, // a repeated script of the plain variant would sell twice
	})
	for _, s := range []*redis.Script{decrement, pending} {
		if err := s.Load(ctx, c).Err(); err != nil {
			return nil, fmt.Errorf("redis at %s: %w", address, err)
		}
	}
	return &lua{client: c, idem: idem}, nil
}

func (l *lua) put(ctx context.Context, sku string, units int64) error {
	return l.client.HSet(ctx, "stock:"+sku, "received", units, "available", units).Err()
}

func (l *lua) reserve(ctx context.Context, r reservation) error {
	script, keys, args := decrement, []string{"stock:" + r.SKU}, []any{r.Quantity}
	if l.idem {
		script, keys = pending, append(keys, "reservation:"+r.SKU+":"+r.ID, "expiring:"+r.SKU)
		args = append(args, r.ExpiresAt.UnixMilli())
	}
	said, err := script.EvalSha(ctx, l.client, keys, args...).Int()
	switch {
	case err != nil:
		return err
	case said == 0:
		return errSoldOut
	case said < 0:
		return errUnknownSKU
	}
	return nil
}

// stock takes what is reserved from the counter, and with pending records from counting those: they must say the same.
func (l *lua) stock(ctx context.Context, sku string) (books, error) {
	fields, err := l.client.HGetAll(ctx, "stock:"+sku).Result()
	if err != nil {
		return books{}, err
	}
	if len(fields) == 0 {
		return books{}, errUnknownSKU
	}
	b := books{SKU: sku}
	for name, into := range map[string]*int64{"received": &b.Received, "available": &b.Available} {
		if *into, err = strconv.ParseInt(fields[name], 10, 64); err != nil {
			return books{}, fmt.Errorf("%s of %s: %w", name, sku, err)
		}
	}
	b.Reserved = b.Received - b.Available
	if l.idem {
		// Every reservation of the benchmark is for one unit.
		b.Reserved, err = l.client.ZCard(ctx, "expiring:"+sku).Result()
	}
	return b, err
}

func (l *lua) close() { _ = l.client.Close() }
