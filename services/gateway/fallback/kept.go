package fallback

import (
	"container/list"
	"sync"
	"time"
)

// maxAnswerBytes bounds one answer that is kept.
const maxAnswerBytes = 256 << 10

// freshEnough is the age below which an answer is not replaced: a busy route needs no new one with each request.
const freshEnough = time.Second

// perEntryBytes is what an entry costs beside its key and body, about.
const perEntryBytes = 256

// kept are good answers by request, the one not used for longest going first. It is safe for concurrent use.
type kept struct {
	maxBytes int64

	mu    sync.Mutex
	bytes int64
	used  *list.List // of *entry, the last used at the front
	by    map[string]*list.Element
}

type entry struct {
	key         string
	contentType string
	body        []byte
	at          time.Time
}

// bytes is what is held for it: a body has as much room as it was read or written into, up to twice its length.
func (e *entry) bytes() int64 {
	return int64(len(e.key)+len(e.contentType)+cap(e.body)) + perEntryBytes
}

func newKept(maxBytes int64) *kept {
	return &kept{maxBytes: maxBytes, used: list.New(), by: map[string]*list.Element{}}
}

func (k *kept) put(key, contentType string, body []byte, now time.Time) {
	if len(body) > maxAnswerBytes {
		return
	}
	e := &entry{key, contentType, body, now}
	k.mu.Lock()
	defer k.mu.Unlock()
	if at, ok := k.by[key]; ok {
		was := at.Value.(*entry)
		if now.Sub(was.at) < freshEnough {
			return
		}
		k.bytes += e.bytes() - was.bytes()
		at.Value = e
		k.used.MoveToFront(at)
	} else {
		k.by[key] = k.used.PushFront(e)
		k.bytes += e.bytes()
	}
	for k.bytes > k.maxBytes {
		last := k.used.Back()
		gone := k.used.Remove(last).(*entry)
		delete(k.by, gone.key)
		k.bytes -= gone.bytes()
	}
}

// get gives an answer that is no older than maxAge.
func (k *kept) get(key string, maxAge time.Duration, now time.Time) (*entry, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.by[key]
	if !ok {
		return nil, false
	}
	e := at.Value.(*entry)
	if now.Sub(e.at) > maxAge {
		return nil, false // it may be young enough for other rules
	}
	k.used.MoveToFront(at)
	return e, true
}

func (k *kept) size() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bytes
}
