package sample

import "context"

// Predictor sets dst to the model's prediction for input at timestep t; dst
// may be input. Guidance and masks are its business.
type Predictor interface {
	Predict(ctx context.Context, dst, input []float32, t float64) error
}

// Call is one prediction to make.
type Call struct {
	// Predictor is the picture's.
	Predictor Predictor
	// Dst is set to the prediction for Input at timestep T; they may be one.
	Dst, Input []float32
	T          float64
}

// Joint is a Predictor that several pictures of which can share a run of the
// model, with the same bits as alone.
type Joint interface {
	Predictor
	// Kind is equal for predictors that can share a run. It is comparable; nil
	// means none.
	Kind() any
	// PredictAll makes the calls of predictors of its own kind, itself among
	// them. When it fails, no call counts as made.
	PredictAll(ctx context.Context, calls []Call) error
}

// kind is that of p, nil where it has none.
func kind(p Predictor) any {
	if j, ok := p.(Joint); ok {
		return j.Kind()
	}
	return nil
}

// Constraint changes latents in place after k steps of the sampler, to what
// they have to be at that noise level.
type Constraint interface {
	Apply(latent []float32, k int)
}

// Free is the constraint that leaves latents alone.
type Free struct{}

// Apply does nothing.
func (Free) Apply([]float32, int) {}
