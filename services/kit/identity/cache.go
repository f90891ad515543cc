package identity

import (
	"crypto/sha256"
	"sync"
	"time"
)

// cacheEntries is how many verified tokens each of the cache's two generations holds: about 10 MB in all when both are full.
const cacheEntries = 16384

// digest stands for a token, so that the cache holds none.
type digest = [sha256.Size]byte

// verified is what is known of a token whose signature was checked.
type verified struct {
	caller  Caller
	session string
	expires time.Time
	from    *source
	by      *keySet // the keys of from at that time
}

// cache remembers verified tokens. When the young generation is full it becomes the old one, and the old one is forgotten:
// what is asked for moves to the young one, so what is in use stays (2-random, S3-FIFO and LRU do better; none is as short).
type cache struct {
	mu         sync.RWMutex
	young, old map[digest]*verified
	most       int
}

func newCache(most int) *cache { return &cache{young: map[digest]*verified{}, most: most} }

func (c *cache) get(d digest) *verified {
	c.mu.RLock()
	v := c.young[d]
	was := c.old[d]
	c.mu.RUnlock()
	if v == nil && was != nil {
		c.put(d, was)
		return was
	}
	return v
}

func (c *cache) put(d digest, v *verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.most {
		c.old, c.young = c.young, make(map[digest]*verified, c.most)
	}
	c.young[d] = v
}

func (c *cache) drop(d digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, d)
	delete(c.old, d)
}

func (c *cache) len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.young) + len(c.old)
}
