package journal

import (
	"context"
	"math"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Follower is a registered follower of this journal and how far it has come.
type Follower struct {
	Name         string    `json:"name"`
	Acknowledged []*uint64 `json:"acknowledged"` // per shard; null: not heard of since this process started
}

// Acknowledge says that follower has durably applied everything of the shard up to seq. The first word of a follower
// registers it with a commit: from then on no segment that it has not passed is trimmed, by no replica, until
// Forget. Later words are kept in memory only; after a start nothing is trimmed until each follower was heard again.
func (j *Journal[S]) Acknowledge(ctx context.Context, follower string, shard int, seq uint64) error {
	s, err := j.shard(shard)
	if err != nil {
		return err
	}
	if !serviceName.MatchString(follower) {
		return errs.InvalidField("follower", "is not a service's name")
	}
	if seq > s.head().seq {
		// It has seen what another replica committed; that much is not known here yet.
		seq = s.head().seq
	}
	if _, known := s.head().system.followers.Get(follower); !known {
		if _, err := j.DoShard(ctx, shard, registerFollow{follower}); err != nil {
			return err
		}
	}
	s.acks.Lock()
	defer s.acks.Unlock()
	s.acks.through[follower] = seq
	return nil
}

// Forget removes a follower that is no more, in every shard, so that trimming no longer waits for it.
func (j *Journal[S]) Forget(ctx context.Context, follower string) error {
	if !j.isLoaded() {
		return unavailable(errNotLoaded)
	}
	for n, s := range j.shards {
		if _, err := j.DoShard(ctx, n, forgetFollow{follower}); err != nil {
			return err
		}
		s.acks.Lock()
		delete(s.acks.through, follower)
		s.acks.Unlock()
	}
	return nil
}

// Followers lists the registered followers of all shards by name; nil before Loaded.
func (j *Journal[S]) Followers() []Follower {
	if !j.isLoaded() {
		return nil
	}
	byName := map[string]int{}
	list := []Follower{}
	for n, s := range j.shards {
		s.acks.Lock()
		s.head().system.followers.Scan(func(name string, _ bool) bool {
			if _, listed := byName[name]; !listed {
				byName[name] = len(list)
				list = append(list, Follower{Name: name, Acknowledged: make([]*uint64, len(j.shards))})
			}
			if seq, heard := s.acks.through[name]; heard {
				list[byName[name]].Acknowledged[n] = &seq
			}
			return true
		})
		s.acks.Unlock()
	}
	return list
}

// passedByAll is the last segment that every registered follower has durably passed; 0 while one of them was not
// heard of, no bound at all when there are none.
func (s *shard[S]) passedByAll() uint64 {
	s.acks.Lock()
	defer s.acks.Unlock()
	passed := uint64(math.MaxUint64)
	s.head().system.followers.Scan(func(name string, _ bool) bool {
		passed = min(passed, s.acks.through[name])
		return true
	})
	return passed
}
