package conformance

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/sidecart/sidecart/services/kit/jsondoc"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// Of races: many small ones find more than a big one.
const (
	racers   = 8
	raceKeys = 50
)

// createChecks are about the one write that everything is committed with.
func createChecks() []check {
	return []check{
		{Property{
			"create-new", "a key that does not exist can be created and reads back as it was written",
			"nothing can be committed", Unsafe,
		}, createNew},
		{Property{
			"one-store", "what one sidecar writes another one sees",
			"each process of a shop would have a store of its own: orders that inventory never hears of, stock sold once per process", Unsafe,
		}, oneStore},
		{Property{
			"create-refuses-created", "a second create of a key is refused and changes nothing",
			"two replicas would take the same number of a journal: one acknowledged order would overwrite another, and stock be sold twice", Unsafe,
		}, createRefusesCreated},
		{Property{
			"create-refuses-replaced", "a create of a key that has been replaced since is refused and changes nothing",
			"a replica that starts late would put an empty snapshot header or an empty list over the one that is there", Unsafe,
		}, createRefusesReplaced},
		{Property{
			"create-refuses-overwritten", "a create of a key that was written plainly, without first-write, is refused",
			"keys that another tool wrote are not protected (sidecart writes none like that): bring data in with `sidecart data copy` and nothing else", Note,
		}, createRefusesOverwritten},
		{Property{
			"create-race", fmt.Sprintf("%d creators of one key at the same time, through every sidecar: exactly one wins, and its value is what is there", racers),
			"two replicas would both believe that their orders are committed: one of them is lost, and stock be sold twice", Unsafe,
		}, createRace},
		{Property{
			"create-after-delete", "a deleted key can be created again",
			"data cannot be copied back to a set that it once left (sidecart itself never creates a deleted key again)", Note,
		}, createAfterDelete},
	}
}

func createNew(ctx context.Context, r *run) (string, error) {
	key, value := r.key("create", "new"), []byte(`{"seq":1}`)
	if err := expect(ctx, r.state, key, nil, "a key that was never written"); err != nil {
		return "", err
	}
	if err := put(ctx, r.state, key, value); err != nil {
		return "", err
	}
	return "", expect(ctx, r.state, key, value, "a key after its create was acknowledged")
}

// oneStore writes through one sidecar and reads through the other, both ways. Where that fails, the rest of the suite goes
// through one sidecar alone, so that what else is wrong is still found.
func oneStore(ctx context.Context, r *run) (string, error) {
	if r.peer == nil {
		return "", skip("no second sidecar was given")
	}
	value := []byte(`{"by":"the other sidecar"}`)
	for i, way := range [][2]sidecar.State{{r.state, r.peer}, {r.peer, r.state}} {
		key := r.key("one-store", i)
		if err := put(ctx, way[0], key, value); err != nil {
			return "", err
		}
		if err := expect(ctx, way[1], key, value, "a key that another sidecar created"); err != nil {
			r.peer = nil
			return "", err
		}
	}
	return "", nil
}

// refuses tries to create key, which holds value.
func refuses(ctx context.Context, s sidecar.State, key string, value []byte) (string, error) {
	err := s.Create(ctx, key, []byte(`{"by":"the second"}`))
	if lost := expect(ctx, s, key, value, "a key after a second create of it"); lost != nil {
		return "", lost
	}
	if err == nil {
		return "", errors.New("the second create was acknowledged, though it did nothing")
	}
	return how(err), nil
}

func createRefusesCreated(ctx context.Context, r *run) (string, error) {
	key, value := r.key("create", "again"), []byte(`{"by":"the first"}`)
	if err := put(ctx, r.state, key, value); err != nil {
		return "", err
	}
	return refuses(ctx, r.state, key, value)
}

func createRefusesReplaced(ctx context.Context, r *run) (string, error) {
	key, value := r.key("create", "replaced"), []byte(`{"by":"a replace"}`)
	if err := put(ctx, r.state, key, []byte(`{"by":"the first"}`)); err != nil {
		return "", err
	}
	item, err := read(ctx, r.state, key)
	if err != nil {
		return "", err
	}
	if err := replace(ctx, r.state, key, value, item.ETag); err != nil {
		return "", err
	}
	return refuses(ctx, r.state, key, value)
}

func createRefusesOverwritten(ctx context.Context, r *run) (string, error) {
	if r.overwrite == nil {
		return "", skip("no plain write was given")
	}
	key, value := r.key("create", "overwritten"), []byte(`{"by":"a plain write"}`)
	r.state.note(key)
	if err := again(ctx, func() error { return r.overwrite(ctx, key, value) }); err != nil {
		return "", fmt.Errorf("the store does not take a plain write: %w", err)
	}
	return refuses(ctx, r.state, key, value)
}

// createRace lets racers create the same key, half of them through the other sidecar. Their number is their value.
func createRace(ctx context.Context, r *run) (string, error) {
	var ends raceEnds
	for n := range raceKeys {
		key := r.key("create", "race", n)
		end, err := race(ctx, r, key, nil, func(ctx context.Context, s sidecar.State, value []byte) error { return s.Create(ctx, key, value) })
		if err != nil {
			return "", err
		}
		ends[end]++
	}
	return ends.judge()
}

// raceEnd is how a race ended whose racers were told nothing false.
type raceEnd int

const (
	oneWon    raceEnd = iota
	readBacks         // the winner got an error and has to read that it has won: a lost reply
	nobodyWon         // all got an error and nothing was written: they all try again
)

// raceEnds counts them.
type raceEnds [3]int

// judge fails a store on which racers mostly stop each other: each of them tries again, and nobody gets on.
func (ends raceEnds) judge() (string, error) {
	if n := ends[nobodyWon]; n > raceKeys/2 {
		return "", fmt.Errorf("in %d of %d races all writers got an error and nobody won", n, raceKeys)
	}
	var seen []string
	if n := ends[readBacks]; n > 0 {
		seen = append(seen, fmt.Sprintf("in %d of %d races the winner got an error and had to read back", n, raceKeys))
	}
	if n := ends[nobodyWon]; n > 0 {
		seen = append(seen, fmt.Sprintf("in %d nobody won and all would try again", n))
	}
	return strings.Join(seen, "; "), nil
}

// race lets racers write a key at the same moment and judges what they were told. before is what the key held, nil for
// nothing.
func race(ctx context.Context, r *run, key string, before []byte, write func(ctx context.Context, s sidecar.State, value []byte) error) (raceEnd, error) {
	var acknowledged [racers]bool
	var start, all sync.WaitGroup
	start.Add(1)
	for i := range racers {
		s := sidecar.State(r.state)
		if i%2 == 1 {
			s = r.other()
		}
		all.Go(func() {
			start.Wait()
			acknowledged[i] = write(ctx, s, []byte(strconv.Itoa(i))) == nil
		})
	}
	start.Done()
	all.Wait()
	item, err := read(ctx, r.state, key)
	if err != nil {
		return 0, err
	}
	var winners []int
	for i, won := range acknowledged {
		if won {
			winners = append(winners, i)
		}
	}
	switch {
	case len(winners) > 1:
		return 0, fmt.Errorf("%d of %d writers of one key were told that they had won", len(winners), racers)
	case len(winners) == 1:
		return oneWon, holds(item, []byte(strconv.Itoa(winners[0])), fmt.Sprintf("a key after writer %d of %d was told that it had won", winners[0], racers))
	case jsondoc.Same(item.Value, before):
		return nobodyWon, nil
	}
	return readBacks, nil
}

func createAfterDelete(ctx context.Context, r *run) (string, error) {
	key, value := r.key("create", "deleted"), []byte(`{"by":"the second"}`)
	if err := put(ctx, r.state, key, []byte(`{"by":"the first"}`)); err != nil {
		return "", err
	}
	if err := again(ctx, func() error { return r.state.Delete(ctx, key) }); err != nil {
		return "", fmt.Errorf("the key could not be deleted: %w", err)
	}
	if err := put(ctx, r.state, key, value); err != nil {
		return "", err
	}
	return "", expect(ctx, r.state, key, value, "a key that was deleted and created again")
}
