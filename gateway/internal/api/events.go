package api

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/gateway/internal/record"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// placeEvery is how often a watcher is told where its generation waits.
const placeEvery = time.Second

// inQueue is the stage of progress while a generation waits.
const inQueue = "queue"

// watch is what one watcher of a generation was told.
type watch struct {
	send func(*gatewayv1.WatchGenerationResponse) error
	// number is of the newest change that the watcher knows.
	number uint64
	// last is the generation as it was told last; nil before.
	last *gatewayv1.Generation
	// waiting is the place that was told last.
	waiting *gatewayv1.Progress
}

// changed tells a change of the generation, and before it those that the watcher
// has missed. What it knows already is not told again at the start.
func (w *watch) changed(g *gatewayv1.Generation) error {
	number := record.Number(g.GetState())
	if w.last == nil && w.number > number {
		return fault.InvalidField("after", "%d is no number of an event of %s: use one that was sent, or 0", w.number, g.GetName())
	}
	known := w.last == nil && w.number == number
	if w.last == nil && w.number > 0 {
		for missed := w.number + 1; missed < number; missed++ {
			if past := record.At(g, missed); past != nil {
				if err := w.tell(past, missed); err != nil {
					return err
				}
			}
		}
	}
	w.last = g
	if known {
		return nil
	}
	return w.tell(g, number)
}

func (w *watch) tell(g *gatewayv1.Generation, number uint64) error {
	w.number = number
	return w.send(&gatewayv1.WatchGenerationResponse{
		Event: &gatewayv1.WatchGenerationResponse_Generation{Generation: g}, Number: number,
	})
}

// progress passes progress on, with the time that is left.
func (w *watch) progress(p *gatewayv1.ProgressEvent, at jobqueue.Place) error {
	if p.GetProgress() != nil && p.GetProgress().GetRemaining() == nil && at.Position == 0 {
		p.Progress.Remaining = remaining(at)
	}
	return w.send(&gatewayv1.WatchGenerationResponse{
		Event: &gatewayv1.WatchGenerationResponse_Progress{Progress: p}, Number: w.number,
	})
}

// waits tells where the generation waits, when that is news.
func (w *watch) waits(at jobqueue.Place) error {
	if w.last.GetState() != gatewayv1.State_STATE_QUEUED || at.Position == 0 {
		return nil
	}
	p := &gatewayv1.Progress{Stage: inQueue, Position: int32(at.Position), Remaining: remaining(at)}
	if proto.Equal(p, w.waiting) {
		return nil
	}
	w.waiting = p
	return w.progress(&gatewayv1.ProgressEvent{Progress: p}, at)
}

// remaining is an estimate in whole seconds: more would be pretence.
func remaining(at jobqueue.Place) *durationpb.Duration {
	if at.Remaining == 0 {
		return nil
	}
	return durationpb.New(max(at.Remaining.Round(time.Second), time.Second))
}
