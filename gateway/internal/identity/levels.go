package identity

import "github.com/facestudio/facestudio/services/bundle"

// Levels are the cosine similarities of photos that decide whether they are of
// one person. They belong to a face encoder: what strangers have by one, photos
// of one person may have by another.
type Levels struct {
	// Same is the similarity from which on photos are of one person. It is low on
	// purpose: an odd photo of the right person costs more when it is left out
	// than it does in the mean.
	Same float64
	// Pair is that of two photos alone, where a mistake refuses both.
	Pair float64
}

// How far above the mean of strangers the levels are, in their standard
// deviations; docs/architecture.md has what they miss and refuse.
const (
	sameAbove = 1.0
	pairAbove = 0.5
)

// LevelsOf returns the levels of a face encoder.
func LevelsOf(s *bundle.Similarity) Levels {
	strangers := StrangersOf(s)
	return Levels{
		Same: strangers.Mean + sameAbove*strangers.Deviation,
		Pair: strangers.Mean + pairAbove*strangers.Deviation,
	}
}

// StrangersOf is how similar photos of two people are to a face encoder. Of one
// that tells nothing it is taken to be as with the bundle facestudio-128 0.3.0,
// over 476 photos of 60 people that no model saw.
func StrangersOf(s *bundle.Similarity) bundle.Spread {
	if s == nil {
		return bundle.Spread{Mean: 0.029, Deviation: 0.088}
	}
	return s.Strangers
}
