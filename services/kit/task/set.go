package task

import (
	"encoding/binary"
	"encoding/hex"
	"iter"
	"strings"
	"time"

	"github.com/tidwall/btree"

	"github.com/sidecart/sidecart/services/kit/trie"
)

// Set holds the open tasks of one shard with the indexes that a Worker needs. It is part of a journal state: Clone
// takes constant time, and a Set that was committed is only read. A Task in it is never changed, only replaced, so
// that its maps, whose nodes are copied when one of their entries changes, need hold no more than pointers.
type Set struct {
	tasks  trie.Map[string, *Task]
	due    btree.Map[string, *Task] // when a queued task is due or a claim ends, then the id
	claims btree.Map[string, *Task] // claimant, then the end of the claim, then the id
	parked btree.Map[string, *Task] // when it was parked, then the id
}

// Clone is an independent copy.
func (s *Set) Clone() *Set {
	return &Set{tasks: s.tasks.Clone(), due: *s.due.Copy(), claims: *s.claims.Copy(), parked: *s.parked.Copy()}
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
		s.due.Set(timeKey(t.NextAt)+t.ID, &t)
	case Claimed:
		s.due.Set(timeKey(t.ClaimUntil)+t.ID, &t)
		s.claims.Set(claimKey(&t), &t)
	case Parked:
		s.parked.Set(timeKey(t.ParkedAt)+t.ID, &t)
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
		s.due.Delete(timeKey(t.NextAt) + t.ID)
	case Claimed:
		s.due.Delete(timeKey(t.ClaimUntil) + t.ID)
		s.claims.Delete(claimKey(t))
	case Parked:
		s.parked.Delete(timeKey(t.ParkedAt) + t.ID)
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
	last := timeKey(at)
	return func(yield func(Task) bool) {
		s.due.Scan(func(key string, t *Task) bool {
			return key[:timeKeyBytes] <= last && yield(*t)
		})
	}
}

// NextDue is the time of the first task that becomes claimable after at; ok is false when there is none.
func (s *Set) NextDue(at time.Time) (next time.Time, ok bool) {
	after := timeKey(at.Add(1))
	s.due.Ascend(after, func(_ string, t *Task) bool {
		if next, ok = t.NextAt, true; t.Status == Claimed {
			next = t.ClaimUntil
		}
		return false
	})
	return next, ok
}

// ClaimedBy gives the tasks that writer holds a claim on which does not end before from, the one that ends first at
// the front.
func (s *Set) ClaimedBy(writer string, from time.Time) iter.Seq[Task] {
	prefix := writer + "|"
	return func(yield func(Task) bool) {
		s.claims.Ascend(prefix+timeKey(from), func(key string, t *Task) bool {
			return strings.HasPrefix(key, prefix) && yield(*t)
		})
	}
}

// Parked gives the parked tasks, the one parked first at the front.
func (s *Set) Parked() iter.Seq[Task] {
	return func(yield func(Task) bool) {
		s.parked.Scan(func(_ string, t *Task) bool { return yield(*t) })
	}
}

// longAgo is before every time of a task.
var longAgo = time.Unix(0, 0)

// timeKeyBytes is the length of a timeKey.
const timeKeyBytes = 16

// timeKey orders times as strings. Times before 1970 do not occur.
func timeKey(at time.Time) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(max(at.UnixNano(), 0)))
	return hex.EncodeToString(b[:])
}

func claimKey(t *Task) string { return t.ClaimedBy + "|" + timeKey(t.ClaimUntil) + t.ID }
