package journal_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/services/kit/journal"
	"github.com/sidecart/sidecart/services/kit/journal/journaltest"
)

// replica is one process with a journal of its own on a shared store.
type replica struct {
	*journal.Journal[*tickets]
	client *journaltest.Client
	cancel context.CancelFunc
	done   chan error
}

// options of a replica; the zero value is one shard of plenty of tickets on a store without faults.
type options struct {
	name    string
	tickets int
	config  journal.Config
	faults  journaltest.Faults
	deps    func(d *journal.Deps)
}

// launch starts a replica without waiting for it.
func launch(store *journaltest.Store, o options) (*replica, error) {
	if o.name == "" {
		o.name = "w"
	}
	if o.tickets == 0 {
		o.tickets = 1 << 30
	}
	o.config.Service = "test"
	if o.config.Shards == 0 {
		o.config.Shards = 1
	}
	client := store.Client(o.name, o.faults)
	deps := journal.Deps{State: client, Writer: o.name, Now: time.Now}
	if o.deps != nil {
		o.deps(&deps)
	}
	j, err := journal.New(o.config, box{o.tickets}, deps)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &replica{Journal: j, client: client, cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- j.Run(ctx) }()
	return r, nil
}

// start launches a replica, waits until it is loaded and stops it with the test.
func start(t *testing.T, store *journaltest.Store, o options) *replica {
	t.Helper()
	r, err := launch(store, o)
	require.NoError(t, err)
	t.Cleanup(func() { r.stop() })
	select {
	case <-r.Loaded():
	case err := <-r.done:
		r.done <- err
		require.NoError(t, err, "Run ended before it was loaded")
	}
	return r
}

// stop ends the replica in good order and gives what Run returned.
func (r *replica) stop() error {
	r.cancel()
	err := <-r.done
	r.done <- err
	return err
}

// kill ends the replica as if its process had died: nothing it does reaches the store any more.
func (r *replica) kill() {
	r.client.Cut()
	_ = r.stop()
}

func (r *replica) buy(ctx context.Context, id string) (int, error) {
	res, err := r.DoShard(ctx, 0, buy{id})
	if err != nil {
		return 0, err
	}
	return res.Answer.(int), nil
}

// checkSequence reads shard 0's segments right out of the store: after what is trimmed they have no gap and time
// does not go back in them.
func checkSequence(store *journaltest.Store) error {
	var h struct {
		Trimmed int `json:"trimmed_through"`
	}
	if value := store.Value("test/snapshot/0"); value != nil {
		if err := json.Unmarshal(value, &h); err != nil {
			return err
		}
	}
	seqs := []int{}
	for _, key := range store.Keys("test/journal/0/") {
		seq, err := strconv.Atoi(key[strings.LastIndex(key, "/")+1:])
		if err != nil {
			return err
		}
		if seq > h.Trimmed {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	var last time.Time
	for i, seq := range seqs {
		var s journal.Segment
		if err := json.Unmarshal(store.Value(fmt.Sprintf("test/journal/0/%d", seq)), &s); err != nil {
			return err
		}
		if seq != h.Trimmed+1+i || s.Seq != uint64(seq) || s.At.Before(last) {
			return fmt.Errorf("segment %d is out of order after %d trimmed: %+v", seq, h.Trimmed, s)
		}
		last = s.At
	}
	return nil
}

// waitFor waits until the condition holds; in a bubble the deadline costs nothing.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 3*time.Hour, 5*time.Second, what)
}
