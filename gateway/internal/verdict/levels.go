package verdict

import (
	"github.com/facestudio/facestudio/gateway/internal/identity"
	"github.com/facestudio/facestudio/services/bundle"
)

// blendShare is that of a face encoder that tells nothing.
const blendShare = 0.4

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
// tells nothing see identity.StrangersOf; docs/measurements.md has what a share
// of a blend misses.
func LevelsOf(s *bundle.Similarity) Levels {
	strangers, share := identity.StrangersOf(s), blendShare
	if s != nil {
		share = s.BlendShare
	}
	return Levels{Stranger: strangers.Mean + strangers.Deviation, Place: strangers.Deviation, Blend: share}
}
