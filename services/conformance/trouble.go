package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecart/sidecart/services/kit/jsondoc"
	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// troubleChecks are about what holds when calls end badly.
func troubleChecks() []check {
	return []check{
		{Property{
			"read-back", "after a refused create a read tells whose value is there, every time and to everybody",
			"a writer that lost would believe that it has won, or the other way round", Unsafe,
		}, readBack},
		{Property{
			"deadline", "a create whose deadline passes ends at once, and read-back settles what became of it for good",
			"a commit that was answered as lost lands later over another one, or callers hang", Unsafe,
		}, deadline},
		{Property{
			"restart", "what was acknowledged before a restart is there after it, also what was written while it came",
			"orders that customers hold a receipt for are gone", Unsafe,
		}, restart},
	}
}

// readBack lets the winner and the losers of a create read at the same time.
func readBack(ctx context.Context, r *run) (string, error) {
	const rounds = 20
	for n := range rounds {
		key := r.key("read-back", n)
		var failures [racers]error
		var seen [racers]sidecar.Item
		var all sync.WaitGroup
		for i := range racers {
			s := sidecar.State(r.state)
			if i%2 == 1 {
				s = r.other()
			}
			all.Go(func() {
				value := []byte(fmt.Sprintf(`{"writer":%d}`, i))
				err := s.Create(ctx, key, value)
				if seen[i], failures[i] = read(ctx, s, key); failures[i] != nil {
					return
				}
				switch {
				case err == nil:
					failures[i] = holds(seen[i], value, "the winner's own read")
				case seen[i].Value == nil && errors.Is(err, sidecar.ErrConflict):
					failures[i] = errors.New("a create was refused because the key exists, and a read after it found no key")
				}
			})
		}
		all.Wait()
		last, err := read(ctx, r.state, key)
		if err != nil {
			return "", err
		}
		for i := range racers {
			if failures[i] != nil {
				return "", failures[i]
			}
			if seen[i].Value != nil && !jsondoc.Same(seen[i].Value, last.Value) {
				return "", fmt.Errorf("one reader saw %s after its create, another one %s later", brief(seen[i].Value), brief(last.Value))
			}
		}
	}
	return "", nil
}

// settled is what a writer was told of a key.
type settled struct {
	key   string
	value []byte
	err   error
}

// deadline creates keys with ever longer deadlines, from one that has already passed to twice what a create takes here.
func deadline(ctx context.Context, r *run) (string, error) {
	const creates = 64
	const late = 2 * time.Second // what a call may take beyond its deadline on a busy machine
	began := time.Now()
	if err := put(ctx, r.state, r.key("deadline", "measure"), []byte(`1`)); err != nil {
		return "", err
	}
	usual := max(time.Since(began), time.Millisecond)
	list, unknown := make([]settled, creates), 0
	for i := range list {
		s := &list[i]
		s.key, s.value = r.key("deadline", i), []byte(fmt.Sprintf(`{"try":1,"key":%d}`, i))
		within := 2 * usual * time.Duration(i) / creates
		short, cancel := context.WithTimeout(ctx, within)
		began := time.Now()
		err := r.state.Create(short, s.key, s.value)
		cancel()
		if took := time.Since(began); took > within+late {
			return "", fmt.Errorf("a create with a deadline of %s came back after %s", within.Round(time.Microsecond), took.Round(time.Millisecond))
		}
		if err != nil {
			unknown++
			settle(ctx, r, s)
		}
		if s.err != nil {
			return "", s.err
		}
	}
	for _, s := range list {
		if err := expect(ctx, r.other(), s.key, s.value, "a key whose outcome had been settled"); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d of %d creates ended at their deadline", unknown, creates), nil
}

// settle does what a journal does after an unknown outcome: read, and if the key is free write it anew.
func settle(ctx context.Context, r *run, s *settled) {
	item, err := read(ctx, r.state, s.key)
	if err != nil {
		s.err = err
		return
	}
	if item.Value != nil {
		s.err = holds(item, s.value, "a key after its create ran into the deadline")
		return
	}
	second := []byte(`{"try":2}`)
	s.err = again(ctx, func() error {
		err := r.state.Create(ctx, s.key, second)
		if err == nil {
			s.value = second
			return nil
		}
		// Refused: the first write has landed after all, or this reply was lost too.
		item, readErr := read(ctx, r.state, s.key)
		switch {
		case readErr != nil:
			return readErr
		case jsondoc.Same(item.Value, second):
			s.value = second
			return nil
		case item.Value == nil:
			return fmt.Errorf("a key reads as absent and cannot be created: %w", err)
		}
		return holds(item, s.value, "a key after its create ran into the deadline")
	})
}

// restart writes from several callers while the store is restarted under them.
func restart(ctx context.Context, r *run) (string, error) {
	const writers, before, most = 8, 100, 5000
	if r.restart == nil {
		return "", skip("no way to restart was given")
	}
	replaced := r.key("restart", "replaced")
	etag, err := seeded(ctx, r, replaced, []byte(`1`))
	if err != nil {
		return "", err
	}
	if err := replace(ctx, r.state, replaced, []byte(`2`), etag); err != nil {
		return "", err
	}
	var mu sync.Mutex
	acknowledged := map[string][]byte{replaced: []byte(`2`)}
	var written, failed atomic.Int64
	enough := make(chan struct{})
	writing, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := 0; n < most/writers && writing.Err() == nil; n++ {
				key, value := r.key("restart", w, n), []byte(fmt.Sprintf(`{"writer":%d,"n":%d}`, w, n))
				if err := r.state.Create(writing, key, value); err != nil {
					failed.Add(1)
					pause(writing, firstPause)
					continue
				}
				mu.Lock()
				acknowledged[key] = value
				mu.Unlock()
				if written.Add(1) == before {
					close(enough)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-enough:
	case <-ended:
	}
	err = r.restart(ctx)
	stop()
	<-ended
	if err != nil {
		return "", fmt.Errorf("it did not come back: %w", err)
	}
	keys, values := make([]string, 0, len(acknowledged)), make([][]byte, 0, len(acknowledged))
	for key, value := range acknowledged {
		keys, values = append(keys, key), append(values, value)
	}
	for len(keys) > 0 {
		n := min(len(keys), sidecar.MaxBulkKeys)
		if err := expectAll(ctx, r, keys[:n], values[:n]); err != nil {
			return "", fmt.Errorf("after %s had been killed: %w", r.restarted, err)
		}
		keys, values = keys[n:], values[n:]
	}
	return fmt.Sprintf("%s killed: %d acknowledged writes were there, %d had failed meanwhile", r.restarted, len(acknowledged), failed.Load()), nil
}
