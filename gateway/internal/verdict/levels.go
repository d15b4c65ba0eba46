package verdict

import "github.com/facestudio/facestudio/services/bundle"

// Levels are the similarities that decide. They belong to a face encoder: what
// strangers have by one, a person and their photo may have by another.
type Levels struct {
	// Stranger is the similarity that a face must have to be like a person.
	Stranger float64
	// Place is what standing at a person's place counts.
	Place float64
	// Blend is how strong the second person of a face must be against the first
	// for a blend.
	Blend float64
}

// LevelsOf returns the levels of a face encoder: a face is like a person above
// the similarity of strangers and one standard deviation, and a place counts one
// deviation, so that it decides where similarities do not. Of an encoder that
// tells nothing it takes the figures of the bundle facestudio-128 0.3.0, over 476
// photos of 60 people that no model saw; docs/measurements.md has what its share
// of a blend misses.
func LevelsOf(s *bundle.Similarity) Levels {
	if s == nil {
		s = &bundle.Similarity{Strangers: bundle.Spread{Mean: 0.029, Deviation: 0.088}, BlendShare: 0.4}
	}
	return Levels{Stranger: s.Strangers.Mean + s.Strangers.Deviation, Place: s.Strangers.Deviation, Blend: s.BlendShare}
}
