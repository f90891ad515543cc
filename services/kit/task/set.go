package task

import (
	"cmp"
	"iter"
	"strings"
	"time"

	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/trie"
)

// Set holds the open tasks of one shard with the indexes that a Worker needs. It is part of a journal state: Clone
// takes constant time, and a Set that was committed is only read. A Task in it is never changed, only replaced, so
// that its maps and indexes, whose nodes are copied when one of their entries changes, need hold no more than pointers.
type Set struct {
	tasks  trie.Map[string, *Task]
	due    *index // the queued and the claimed, by actionable
	claims *index // the claimed, by claimant and the end of the claim
	parked *index // the parked, by when they were
}

// index has tasks in an order that ends with their ids.
type index = btree.BTreeG[*Task]

// NewSet is a Set without tasks.
func NewSet() *Set {
	ordered := func(order func(a, b *Task) int) *index {
		less := func(a, b *Task) bool {
			if c := order(a, b); c != 0 {
				return c < 0
			}
			return a.ID < b.ID
		}
		return btree.NewBTreeGOptions(less, btree.Options{NoLocks: true}) // see journal.Machine: one writer
	}
	return &Set{
		due: ordered(func(a, b *Task) int { return a.actionable().Compare(b.actionable()) }),
		claims: ordered(func(a, b *Task) int {
			return cmp.Or(strings.Compare(a.ClaimedBy, b.ClaimedBy), a.ClaimUntil.Compare(b.ClaimUntil))
		}),
		parked: ordered(func(a, b *Task) int { return a.ParkedAt.Compare(b.ParkedAt) }),
	}
}

// actionable is when anybody may claim a task that is not parked: it is due, or the claim on it ends.
func (t *Task) actionable() time.Time {
	if t.Status == Claimed {
		return t.ClaimUntil
	}
	return t.NextAt
}

// Clone is an independent copy.
func (s *Set) Clone() *Set {
	return &Set{tasks: s.tasks.Clone(), due: s.due.Copy(), claims: s.claims.Copy(), parked: s.parked.Copy()}
}

// Len is the number of open tasks.
func (s *Set) Len() int { return s.tasks.Len() }

// ParkedLen is the number of parked tasks.
func (s *Set) ParkedLen() int { return s.parked.Len() }

// Get finds an open task.
func (s *Set) Get(id string) (Task, bool) {
	t, ok := s.tasks.Get(id)
	if !ok {
		return Task{}, false
	}
	return *t, true
}

// Put adds the task or replaces the one with its id.
func (s *Set) Put(t Task) {
	if old, ok := s.tasks.Set(t.ID, &t); ok {
		s.unlist(old)
	}
	switch t.Status {
	case Queued:
		s.due.Set(&t)
	case Claimed:
		s.due.Set(&t)
		s.claims.Set(&t)
	case Parked:
		s.parked.Set(&t)
	}
}

// Remove forgets the task; one that is not there is passed over.
func (s *Set) Remove(id string) {
	if t, ok := s.tasks.Get(id); ok {
		s.tasks.Delete(id)
		s.unlist(t)
	}
}

// unlist takes a task out of the indexes.
func (s *Set) unlist(t *Task) {
	switch t.Status {
	case Queued:
		s.due.Delete(t)
	case Claimed:
		s.due.Delete(t)
		s.claims.Delete(t)
	case Parked:
		s.parked.Delete(t)
	}
}

// All gives every open task, in no order that means anything.
func (s *Set) All() iter.Seq[Task] {
	return func(yield func(Task) bool) {
		for _, t := range s.tasks.All() {
			if !yield(*t) {
				return
			}
		}
	}
}

// Due gives the tasks that anybody may claim at this time, the longest due first.
func (s *Set) Due(at time.Time) iter.Seq[Task] {
	return func(yield func(Task) bool) {
		s.due.Scan(func(t *Task) bool { return !t.actionable().After(at) && yield(*t) })
	}
}

// NextDue is the time of the first task that becomes claimable after at; ok is false when there is none.
func (s *Set) NextDue(at time.Time) (next time.Time, ok bool) {
	switch first, any := s.due.Min(); {
	case !any:
		return time.Time{}, false
	case first.actionable().After(at): // mostly so, and found without a search
		return first.actionable(), true
	}
	s.due.Ascend(&Task{NextAt: at.Add(1)}, func(t *Task) bool {
		next, ok = t.actionable(), true
		return false
	})
	return next, ok
}

// ClaimedBy gives the tasks that writer holds a claim on which does not end before from, the one that ends first at
// the front.
func (s *Set) ClaimedBy(writer string, from time.Time) iter.Seq[Task] {
	return func(yield func(Task) bool) {
		s.claims.Ascend(&Task{ClaimedBy: writer, ClaimUntil: from}, func(t *Task) bool {
			return t.ClaimedBy == writer && yield(*t)
		})
	}
}

// ClaimedUntil gives the tasks that writer holds a claim on which ends before until, the one that ends first at the front.
func (s *Set) ClaimedUntil(writer string, until time.Time) iter.Seq[Task] {
	return func(yield func(Task) bool) {
		if first, any := s.due.Min(); !any || !first.actionable().Before(until) {
			return // mostly so: nobody's claim ends before that
		}
		s.claims.Ascend(&Task{ClaimedBy: writer}, func(t *Task) bool {
			return t.ClaimedBy == writer && t.ClaimUntil.Before(until) && yield(*t)
		})
	}
}

// Parked gives the parked tasks, the one parked first at the front.
func (s *Set) Parked() iter.Seq[Task] {
	return func(yield func(Task) bool) {
		s.parked.Scan(func(t *Task) bool { return yield(*t) })
	}
}
