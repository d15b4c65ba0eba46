package sample

import (
	"fmt"
	"slices"
)

// State is a generation between two steps, as far as its Setup does not say
// it: with both, another process makes the remaining steps with the same bits.
type State struct {
	// Done is how many steps were made.
	Done int
	// Latent has the latents.
	Latent []float32
	// History has what the sampler carries from step to step.
	History [][]float32
}

// State returns a copy of the generation's state.
func (g *Generation) State() State {
	s := State{Done: g.done, Latent: slices.Clone(g.latent)}
	for _, h := range g.history {
		s.History = append(s.History, slices.Clone(h))
	}
	return s
}

// Resume returns the generation of a setup in a state that one of the same
// setup was in. It fails when the state does not fit the setup.
func Resume(setup Setup, s State) (*Generation, error) {
	g := New(setup)
	if s.Done < 0 || s.Done > g.Steps() {
		return nil, fmt.Errorf("resume: %d steps done, there are %d", s.Done, g.Steps())
	}
	if len(s.Latent) != setup.Size || len(s.History) != len(g.history) {
		return nil, fmt.Errorf("resume: %d latent values and %d tensors of history, expected %d and %d",
			len(s.Latent), len(s.History), setup.Size, len(g.history))
	}
	for i, h := range s.History {
		if len(h) != setup.Size {
			return nil, fmt.Errorf("resume: history %d has %d values, expected %d", i, len(h), setup.Size)
		}
		copy(g.history[i], h)
	}
	copy(g.latent, s.Latent)
	g.done = s.Done
	return g, nil
}
