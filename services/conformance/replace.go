package conformance

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// replaceChecks are about the writes under an ETag: snapshot headers, views of archived orders, customers' lists.
func replaceChecks() []check {
	return []check{
		{Property{
			"replace-with-etag", "a key can be replaced by whoever names its ETag, and every write gives it a new one",
			"snapshots cannot advance and finished orders cannot leave memory", Unsafe,
		}, replaceWithETag},
		{Property{
			"replace-refuses-stale", "a replace with an older ETag is refused and changes nothing",
			"a replica that was paused would put an older snapshot over a newer one whose segments are already deleted: their orders are lost", Unsafe,
		}, replaceRefusesStale},
		{Property{
			"replace-race", fmt.Sprintf("%d replacers with the same ETag at the same time: exactly one wins, and its value is what is there", racers),
			"of two replicas that write a snapshot or a customer's list at the same time one would lose its part without being told", Unsafe,
		}, replaceRace},
		{Property{
			"replace-refuses-old-value", "after a value has come back, the ETag that it first had is still refused",
			"a change in between can go unnoticed; sidecart's replaced keys never return to an earlier value by themselves", Degraded,
		}, replaceRefusesOldValue},
		{Property{
			"replace-refuses-absent", "a replace of a key that does not exist is refused",
			"a deleted key could come back (sidecart never deletes a key that it replaces)", Note,
		}, replaceRefusesAbsent},
	}
}

// seeded creates a key and gives its ETag.
func seeded(ctx context.Context, r *run, key string, value []byte) (etag string, err error) {
	if err := put(ctx, r.state, key, value); err != nil {
		return "", err
	}
	item, err := read(ctx, r.state, key)
	if err != nil {
		return "", err
	}
	if item.ETag == "" {
		return "", errors.New("the store gives no ETag")
	}
	return item.ETag, nil
}

func replaceWithETag(ctx context.Context, r *run) (string, error) {
	const times = 20
	key := r.key("replace", "right")
	etag, err := seeded(ctx, r, key, []byte(`0`))
	if err != nil {
		return "", err
	}
	seen := map[string]bool{etag: true}
	for n := 1; n <= times; n++ {
		value := []byte(strconv.Itoa(n))
		if err := replace(ctx, r.state, key, value, etag); err != nil {
			return "", err
		}
		item, err := read(ctx, r.state, key)
		if err != nil {
			return "", err
		}
		if err := holds(item, value, "a key after its replace was acknowledged"); err != nil {
			return "", err
		}
		if seen[item.ETag] {
			return "", fmt.Errorf("write %d gave the key an ETag that it had before", n+1)
		}
		etag, seen[item.ETag] = item.ETag, true
	}
	return "", nil
}

func replaceRefusesStale(ctx context.Context, r *run) (string, error) {
	key, value := r.key("replace", "stale"), []byte(`{"n":2}`)
	etag, err := seeded(ctx, r, key, []byte(`{"n":1}`))
	if err != nil {
		return "", err
	}
	if err := replace(ctx, r.state, key, value, etag); err != nil {
		return "", err
	}
	return refusesReplace(ctx, r, key, etag, value, "a key after a replace with its older ETag")
}

// refusesReplace tries to replace key, which holds value (nil for absent), with an ETag that is not its own.
func refusesReplace(ctx context.Context, r *run, key, etag string, value []byte, what string) (string, error) {
	err := r.state.Replace(ctx, key, []byte(`{"by":"nobody"}`), etag)
	if lost := expect(ctx, r.state, key, value, what); lost != nil {
		return "", lost
	}
	if err == nil {
		return "", errors.New("a replace with an ETag that is not the key's was acknowledged, though it did nothing")
	}
	return how(err), nil
}

func replaceRace(ctx context.Context, r *run) (string, error) {
	var ends raceEnds
	for n := range raceKeys {
		key, before := r.key("replace", "race", n), []byte(`"before"`)
		etag, err := seeded(ctx, r, key, before)
		if err != nil {
			return "", err
		}
		end, err := race(ctx, r, key, before, func(ctx context.Context, s sidecar.State, value []byte) error {
			return s.Replace(ctx, key, value, etag)
		})
		if err != nil {
			return "", err
		}
		ends[end]++
	}
	return ends.judge()
}

func replaceRefusesOldValue(ctx context.Context, r *run) (string, error) {
	key, first := r.key("replace", "back"), []byte(`{"n":1}`)
	old, err := seeded(ctx, r, key, first)
	if err != nil {
		return "", err
	}
	etag := old
	for _, value := range [][]byte{[]byte(`{"n":2}`), first} {
		if err := replace(ctx, r.state, key, value, etag); err != nil {
			return "", err
		}
		item, err := read(ctx, r.state, key)
		if err != nil {
			return "", err
		}
		etag = item.ETag
	}
	return refusesReplace(ctx, r, key, old, first, "a key that holds its first value again, after a replace with its first ETag")
}

func replaceRefusesAbsent(ctx context.Context, r *run) (string, error) {
	key := r.key("replace", "absent")
	etag, err := seeded(ctx, r, key, []byte(`{"n":1}`))
	if err != nil {
		return "", err
	}
	if err := again(ctx, func() error { return r.state.Delete(ctx, key) }); err != nil {
		return "", fmt.Errorf("the key could not be deleted: %w", err)
	}
	return refusesReplace(ctx, r, key, etag, nil, "a deleted key after a replace with the ETag that it had")
}
