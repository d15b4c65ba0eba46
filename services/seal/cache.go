package seal

import (
	"sync"
	"time"
)

const (
	// cacheSize is how many data keys a Ring holds in memory.
	cacheSize = 1024
	// cacheLife is how long it holds one before it asks for it again, so that a
	// key that was destroyed elsewhere is forgotten here even if the news of it
	// was lost.
	cacheLife = time.Minute
)

// cache holds data keys for a short time.
type cache struct {
	now func() time.Time

	mu   sync.Mutex
	keys map[Scope]cached
	// drops counts what was dropped: a key that was read before that is not kept.
	drops uint64
}

type cached struct {
	key   *key
	until time.Time
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, keys: make(map[Scope]cached)}
}

// get returns a key, or nil and what put needs to know.
func (c *cache) get(of Scope) (*key, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.keys[of]
	if ok && c.now().Before(held.until) {
		return held.key, c.drops
	}
	delete(c.keys, of)
	return nil, c.drops
}

// put holds a key that was read when drops keys had been dropped.
func (c *cache) put(of Scope, k *key, drops uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if drops != c.drops {
		return
	}
	if len(c.keys) >= cacheSize {
		c.makeRoom()
	}
	c.keys[of] = cached{k, c.now().Add(cacheLife)}
}

// makeRoom drops what is over, or else any one key.
func (c *cache) makeRoom() {
	now := c.now()
	for of, held := range c.keys {
		if !now.Before(held.until) {
			delete(c.keys, of)
		}
	}
	for of := range c.keys {
		if len(c.keys) < cacheSize {
			return
		}
		delete(c.keys, of)
	}
}

func (c *cache) drop(of Scope) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, of)
	c.drops++
}
