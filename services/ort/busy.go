package ort

import (
	"sync"
	"sync/atomic"
	"time"
)

// busy adds up the time in which at least one run is under way.
type busy struct {
	mu     sync.Mutex
	active int
	since  time.Time
	sum    time.Duration
}

func (b *busy) enter() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.active == 0 {
		b.since = time.Now()
	}
	b.active++
}

func (b *busy) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.active--; b.active == 0 {
		b.sum += time.Since(b.since)
	}
}

func (b *busy) total() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.active > 0 {
		return b.sum + time.Since(b.since)
	}
	return b.sum
}

// observer holds the function that is told of every run.
type observer struct {
	f atomic.Pointer[func(Run)]
}

func (o *observer) set(f func(Run)) {
	if f == nil {
		o.f.Store(nil)
		return
	}
	o.f.Store(&f)
}

func (o *observer) tell(run Run) {
	if f := o.f.Load(); f != nil {
		(*f)(run)
	}
}
