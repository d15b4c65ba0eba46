package model

import (
	"context"
	"slices"

	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/worker"
)

// Detector is the face detector's graph.
type Detector struct {
	session *ort.Session
	spec    bundle.FaceDetector
}

// NewDetector loads the face detector.
func NewDetector(env worker.Env) (*Detector, error) {
	session, err := load(env, bundle.FaceDetectorModel, "")
	if err != nil {
		return nil, err
	}
	return &Detector{session: session, spec: env.Bundle.Manifest.FaceDetector}, nil
}

// Candidates returns, for an input as the manifest describes it, each anchor's
// logit and its values [4+2P]: all grids after each other.
func (d *Detector) Candidates(ctx context.Context, pixels *tensor.Tensor) (logits, values []float32, err error) {
	out, err := d.session.Run(ctx, map[string]*tensor.Tensor{d.spec.Input.Name: pixels})
	if err != nil {
		return nil, nil, err
	}
	for i := range d.spec.Grids {
		logits = slices.Concat(logits, out[d.spec.Outputs.Scores[i]].Data)
		values = slices.Concat(values, out[d.spec.Outputs.Boxes[i]].Data)
	}
	return logits, values, nil
}

// Close frees the graph.
func (d *Detector) Close() error { return d.session.Close() }
