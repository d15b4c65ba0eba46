package jobqueue

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// peek is how long a slot looks for work of a class that it does not wait for.
const peek = 2 * time.Millisecond

// slot takes one piece of work after the other, interactive before batch, and
// waits for interactive work when there is none. It asks for one at a time, so
// that work goes only where it can begin at once.
func (s *Server) slot(ctx, jobs context.Context, interactive, batch jetstream.Consumer) {
	var faults uint64
	idle := false
	// Until quiet no batch work is looked for: lately there was none, and a look at
	// nothing costs milliseconds.
	var quiet time.Time
	for ctx.Err() == nil {
		var (
			msg jetstream.Msg
			err error
		)
		looks := !time.Now().Before(quiet)
		if looks && !idle {
			msg, err = s.fetch(interactive, peek)
		}
		if looks && msg == nil && err == nil {
			if msg, err = s.fetch(batch, peek); msg == nil {
				quiet = time.Now().Add(s.settings.BatchPoll)
			}
		}
		if msg == nil && err == nil && ctx.Err() == nil {
			// The request is not ended before its time even when ctx ends: a message
			// already on its way would wait for its redelivery.
			msg, err = s.fetch(interactive, s.settings.BatchPoll)
		}
		if err != nil {
			faults++
			s.recover(ctx, err, faults)
			continue
		}
		faults = 0
		idle = msg == nil
		if msg != nil {
			s.handle(jobs, msg, ctx.Err() != nil)
		}
	}
}

// fetch asks for one message; nil when there is none for so long.
func (s *Server) fetch(consumer jetstream.Consumer, wait time.Duration) (jetstream.Msg, error) {
	batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(wait),
		jetstream.FetchPriorityGroup(workersGroup), jetstream.FetchPrioritized(s.settings.Priority))
	if err != nil {
		return nil, err
	}
	msg := <-batch.Messages()
	if msg != nil {
		return msg, nil
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
		return nil, err
	}
	return nil, nil
}

// recover waits before a slot asks again, and makes its consumers anew in case
// that they are gone.
func (s *Server) recover(ctx context.Context, err error, faults uint64) {
	if faults == 1 {
		s.settings.Logger.Warn("no work from the queue for now", "stage", s.settings.Stage, "error", err)
	}
	pause(ctx, backoff(100*time.Millisecond, min(faults, 6), randomSpread()), s.q.reconnection())
	if ctx.Err() != nil || !s.q.nc.IsConnected() {
		return
	}
	for _, class := range []string{Interactive, Batch} {
		if _, err := s.consumer(ctx, class); err != nil {
			s.settings.Logger.Warn("a consumer cannot be opened", "class", class, "error", err)
		}
	}
}
