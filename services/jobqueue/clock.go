package jobqueue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// The processes of a mesh need not agree on the time: deadlines travel by the clock
// of the server, from which each process knows how far its own is off.

const (
	// clockChecks is how often the server is asked for its time.
	clockChecks = time.Minute
	// clockTolerance is how far a clock may be off before somebody is told.
	clockTolerance = 10 * time.Second
)

// clock is the server's clock, as this process knows it. It is safe for concurrent
// use.
type clock struct {
	// local is this machine's.
	local func() time.Time
	// behind is how far the local clock is behind the server's.
	behind atomic.Int64
}

// Now is the time by the server's clock, to within the time that an exchange with
// the server takes. It goes on from the local clock while the server is away.
func (q *Queue) Now() time.Time { return q.clock.now() }

func (c *clock) now() time.Time { return c.local().Add(c.lag()) }

// lag is what is to be added to the local time.
func (c *clock) lag() time.Duration { return time.Duration(c.behind.Load()) }

// left is the time until a moment of the server's clock.
func (c *clock) left(until time.Time) time.Duration { return until.Sub(c.now()) }

// compare takes in what the server's time was between two moments of the local
// clock. What lies between them agrees: then the clock stays as it is.
func (c *clock) compare(asked, server, answered time.Time) {
	lag := c.lag()
	if first, last := server.Sub(answered), server.Sub(asked); lag < first || lag > last {
		c.behind.Store(int64((first + last) / 2))
	}
}

// setClock asks the server for its time.
func (q *Queue) setClock(ctx context.Context) error {
	ctx, release := bounded(ctx)
	defer release()
	// Of the wall clock: the monotonic one does not tell that it was set.
	asked := q.clock.local().Round(0)
	info, err := q.work.Info(ctx)
	if err != nil {
		return fmt.Errorf("ask the server for its time: %w", err)
	}
	before := q.clock.lag()
	q.clock.compare(asked, info.TimeStamp, q.clock.local().Round(0))
	if lag := q.clock.lag(); lag != before && lag.Abs() > clockTolerance {
		q.log.Warn("this machine's clock differs from the NATS server's, by which deadlines go; set it by NTP",
			"behind", lag.Round(time.Millisecond).String())
	}
	return nil
}

// followClock asks the server for its time until ctx ends: clocks are set while
// programs run, and servers of a cluster have one each.
func (q *Queue) followClock(ctx context.Context) {
	tick := time.NewTicker(clockChecks)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.reconnection():
		case <-tick.C:
		}
		if err := q.setClock(ctx); err != nil {
			q.log.Debug("the server's time is not known for now", "error", err)
		}
	}
}
