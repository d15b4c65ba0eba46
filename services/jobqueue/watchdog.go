package jobqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A consumer stands still when work waits, workers wait for it, and nothing is
// delivered. It should not happen; when it does, nobody else would notice.

// glance is what one look at a consumer told.
type glance struct {
	// waiting work and waiting requests for it.
	waiting  uint64
	requests int
	// delivered is the number of the last delivery, inHand of those not settled.
	delivered uint64
	inHand    int
	paused    bool
}

// stands says whether a consumer has stood still between two looks.
func stands(before, now glance) bool {
	idle := func(g glance) bool { return g.waiting > 0 && g.requests > 0 && !g.paused }
	return idle(before) && idle(now) && before.delivered == now.delivered
}

// watchdogLooks is how many AckWaits are between two looks: a delivery that was
// lost has come again by then.
const watchdogLooks = 2

// watchdog looks at the consumers until ctx ends and makes those anew that stand
// still.
func (s *Server) watchdog(ctx context.Context) {
	tick := time.NewTicker(watchdogLooks * s.q.settings.AckWait)
	defer tick.Stop()
	last := map[string]glance{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, class := range []string{Interactive, Batch} {
			now, err := s.look(ctx, class)
			if err != nil {
				// Slots notice what is wrong with the connection or the consumer.
				delete(last, class)
				continue
			}
			if before, ok := last[class]; ok && stands(before, now) {
				s.settings.Logger.Error("a consumer stands still and is made anew", "stage", s.settings.Stage, "class", class,
					"waiting", now.waiting, "requests", now.requests, "in_hand", now.inHand)
				if err := s.renew(ctx, class); err != nil {
					s.settings.Logger.Warn("a consumer cannot be made anew", "class", class, "error", err)
				}
				delete(last, class)
				continue
			}
			last[class] = now
		}
	}
}

func (s *Server) look(ctx context.Context, class string) (glance, error) {
	ctx, release := bounded(ctx)
	defer release()
	consumer, err := s.q.work.Consumer(ctx, consumerName(s.settings.Stage, s.settings.Bundle, class))
	if err != nil {
		return glance{}, fmt.Errorf("look at a consumer: %w", err)
	}
	return glanceOf(consumer.CachedInfo()), nil
}

func glanceOf(info *jetstream.ConsumerInfo) glance {
	return glance{
		waiting: info.NumPending, requests: info.NumWaiting, delivered: info.Delivered.Consumer,
		inHand: info.NumAckPending, paused: info.Paused,
	}
}

// renew makes a consumer anew. What others have in hand is delivered again by the
// new one and done twice at worst, so that this is for a consumer that is of no
// use as it is.
func (s *Server) renew(ctx context.Context, class string) error {
	ctx, release := bounded(ctx)
	defer release()
	name := consumerName(s.settings.Stage, s.settings.Bundle, class)
	if err := s.q.work.DeleteConsumer(ctx, name); err != nil {
		return fmt.Errorf("delete consumer %s: %w", name, err)
	}
	_, err := s.consumer(ctx, class)
	return err
}
