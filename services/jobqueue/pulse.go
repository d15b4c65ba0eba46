package jobqueue

import (
	"context"
	"sync"
	"time"
)

// heartbeats is how many signs of life there are within one AckWait.
const heartbeats = 3

// keepAlive tells the server that the work is not forgotten, until stop is called
// with the job's context ended, and ends the work when its result is recorded by
// somebody else: a canceller whose word did not arrive, or a worker that took over
// while this one was cut off.
func (j *job) keepAlive() (stop func()) {
	every := j.s.q.settings.AckWait / heartbeats
	var (
		mu    sync.Mutex
		ended bool
		timer *time.Timer
	)
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(every, func() {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			return
		}
		j.beat(j.ctx)
		timer.Reset(every)
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		timer.Stop()
	}
}

func (j *job) beat(ctx context.Context) {
	if err := j.msg.InProgress(); err != nil {
		j.s.settings.Logger.Warn("sign of life not sent", "method", j.work.method, "error", err)
	}
	if j.foreign() {
		return
	}
	if result, err := j.s.q.lookup(ctx, j.work.address); err == nil && result != nil {
		j.cancel(ErrDecided)
	}
}
