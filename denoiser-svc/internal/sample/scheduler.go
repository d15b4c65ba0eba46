package sample

import (
	"context"
	"errors"
	"sync"
)

// ErrClosed is what a generation fails with when the scheduler was closed.
var ErrClosed = errors.New("the scheduler is closed")

// Scheduler steps the generations in flight, in turn, in one goroutine. The
// gate before it bounds how many there are.
type Scheduler struct {
	batch    int
	arrivals chan *Task
	stop     chan struct{}
	stopped  chan struct{}
	closing  sync.Once
}

// NewScheduler starts a scheduler; the caller closes it. Up to batch
// generations whose predictors are Joint and of one kind share each run of the
// model; 1 steps each alone.
func NewScheduler(batch int) *Scheduler {
	s := &Scheduler{batch: max(batch, 1), arrivals: make(chan *Task), stop: make(chan struct{}), stopped: make(chan struct{})}
	go s.run()
	return s
}

// Close ends the generations in flight with ErrClosed and waits for the
// scheduler to end.
func (s *Scheduler) Close() {
	s.closing.Do(func() { close(s.stop) })
	<-s.stopped
}

// Start gives a generation to the scheduler, which owns it until the task's
// events end. Once ctx ends, so does the generation, within a step. A
// generation that has all its steps is none to start.
func (s *Scheduler) Start(ctx context.Context, g *Generation, watch Watch) (*Task, error) {
	// Room for all events: a slow reader does not hold up the others.
	t := &Task{ctx: ctx, generation: g, watch: watch, events: make(chan Event, g.Steps()-g.Done())}
	select {
	case s.arrivals <- t:
		return t, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.stop:
		return nil, ErrClosed
	}
}

func (s *Scheduler) run() {
	defer close(s.stopped)
	var flying []*Task
	for {
		if len(flying) == 0 {
			select {
			case t := <-s.arrivals:
				flying = append(flying, t)
			case <-s.stop:
				return
			}
		}
		select {
		case t := <-s.arrivals:
			flying = append(flying, t)
			continue
		case <-s.stop:
			for _, t := range flying {
				t.end(ErrClosed)
			}
			return
		default:
		}
		var still []*Task
		for _, tasks := range group(flying, s.batch) {
			still = append(still, together(tasks)...)
		}
		flying = still
	}
}
