package sample

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrClosed is what a generation fails with when the scheduler was closed.
var ErrClosed = errors.New("the scheduler is closed")

// Scheduler steps the generations in flight, in turn, in one goroutine. The
// gate before it bounds how many there are.
type Scheduler struct {
	arrivals chan *Task
	stop     chan struct{}
	stopped  chan struct{}
	closing  sync.Once
}

// NewScheduler starts a scheduler; the caller closes it.
func NewScheduler() *Scheduler {
	s := &Scheduler{arrivals: make(chan *Task), stop: make(chan struct{}), stopped: make(chan struct{})}
	go s.run()
	return s
}

// Close ends the generations in flight with ErrClosed and waits for the
// scheduler to end.
func (s *Scheduler) Close() {
	s.closing.Do(func() { close(s.stop) })
	<-s.stopped
}

// Event tells of one step.
type Event struct {
	// Step is how many steps were made, from 1.
	Step int
	// Preview has the latents of the picture as predicted; nil on most steps.
	Preview []float32
}

// Task is a generation in the scheduler's hands.
type Task struct {
	ctx        context.Context //nolint:containedctx // the scheduler's goroutine serves many callers
	generation *Generation
	every      int
	events     chan Event
	err        error
}

// Start gives a generation to the scheduler, which owns it until the task's
// events end. every says after how many steps there is a preview; 0 means
// none, and there is none of the last step. Once ctx ends, so does the
// generation, within a step.
func (s *Scheduler) Start(ctx context.Context, g *Generation, every int) (*Task, error) {
	// Room for all events: a slow reader does not hold up the others.
	t := &Task{ctx: ctx, generation: g, every: every, events: make(chan Event, g.Steps())}
	select {
	case s.arrivals <- t:
		return t, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.stop:
		return nil, ErrClosed
	}
}

// Events has one event for each step; it is closed when the generation has
// ended.
func (t *Task) Events() <-chan Event { return t.events }

// Wait waits for the generation's end and returns why it failed, nil if it did
// not.
func (t *Task) Wait() error {
	for range t.events {
	}
	return t.err
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
		still := flying[:0]
		for _, t := range flying {
			if t.step() {
				still = append(still, t)
			}
		}
		clear(flying[len(still):])
		flying = still
	}
}

// step makes one step and reports whether there are more.
func (t *Task) step() bool {
	if err := context.Cause(t.ctx); err != nil {
		return t.end(err)
	}
	if err := t.safely(); err != nil {
		return t.end(err)
	}
	g := t.generation
	event := Event{Step: g.Done()}
	more := g.Done() < g.Steps()
	if more && t.every > 0 && g.Done()%t.every == 0 {
		event.Preview = g.Preview()
	}
	t.events <- event
	if !more {
		return t.end(nil)
	}
	return true
}

// safely steps the generation. A panic ends it alone, not those beside it.
func (t *Task) safely() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("step panicked: %v", r)
		}
	}()
	return t.generation.Step(t.ctx)
}

func (t *Task) end(err error) bool {
	t.err = err
	close(t.events)
	return false
}
