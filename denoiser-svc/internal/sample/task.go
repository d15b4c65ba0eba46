package sample

import (
	"context"
	"fmt"
)

// Event tells of one step.
type Event struct {
	// Step is how many steps were made, from 1.
	Step int
	// Preview has the latents of the picture as predicted; nil on most steps.
	Preview []float32
	// State is the generation's after the step; nil on most steps.
	State *State
}

// Watch says what a task's events have beside the step. There is neither after
// the last step.
type Watch struct {
	// Preview is after how many steps there is a preview; 0 means none.
	Preview int
	// State is after how many steps there is a state; 0 means none.
	State int
}

// Task is a generation in the scheduler's hands.
type Task struct {
	ctx        context.Context //nolint:containedctx // the scheduler's goroutine serves many callers
	generation *Generation
	watch      Watch
	events     chan Event
	err        error
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

// step makes one step and reports whether there are more.
func (t *Task) step() bool {
	if err := context.Cause(t.ctx); err != nil {
		return t.end(err)
	}
	if err := safely(func() error { return t.generation.Step(t.ctx) }); err != nil {
		return t.end(err)
	}
	return t.tell()
}

// tell sends the event of the step that was made and reports whether there are
// more.
func (t *Task) tell() bool {
	g := t.generation
	event := Event{Step: g.Done()}
	more := g.Done() < g.Steps()
	if more && due(g.Done(), t.watch.Preview) {
		event.Preview = g.Preview()
	}
	if more && due(g.Done(), t.watch.State) {
		state := g.State()
		event.State = &state
	}
	t.events <- event
	if !more {
		return t.end(nil)
	}
	return true
}

func due(step, every int) bool { return every > 0 && step%every == 0 }

func (t *Task) end(err error) bool {
	t.err = err
	close(t.events)
	return false
}

// safely runs f. A panic is an error of the generation that it was for, not
// the end of those beside it.
func safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("step panicked: %v", r)
		}
	}()
	return f()
}
