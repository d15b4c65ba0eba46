package paint

import (
	"context"

	"github.com/facestudio/facestudio/denoiser-svc/internal/sample"
)

// checkpointEvery is after how many steps a picture's state is saved: what a
// worker that vanishes costs at most.
const checkpointEvery = 5

// Checkpoints keeps the state of one picture where another worker finds it.
// What is lost costs time alone, so neither method fails.
type Checkpoints interface {
	// Load returns the state that was saved last; false when there is none.
	Load(ctx context.Context) (sample.State, bool)
	// Save keeps a state in place of the one before.
	Save(ctx context.Context, s sample.State)
}

// generation returns the generation of a setup, where it was left if it was.
func generation(ctx context.Context, setup sample.Setup, checkpoints Checkpoints) *sample.Generation {
	if checkpoints != nil {
		if state, ok := checkpoints.Load(ctx); ok {
			// One that does not fit is none.
			if g, err := sample.Resume(setup, state); err == nil {
				return g
			}
		}
	}
	return sample.New(setup)
}

// saver saves states beside the steps. While one is being saved, others are
// passed over: a slow store holds up nothing.
type saver struct {
	states chan sample.State
	ended  chan struct{}
}

func newSaver(ctx context.Context, checkpoints Checkpoints) *saver {
	s := &saver{states: make(chan sample.State, 1), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		for state := range s.states {
			checkpoints.Save(ctx, state)
		}
	}()
	return s
}

func (s *saver) offer(state sample.State) {
	select {
	case s.states <- state:
	default:
	}
}

// close waits for the saver to end.
func (s *saver) close() {
	close(s.states)
	<-s.ended
}
