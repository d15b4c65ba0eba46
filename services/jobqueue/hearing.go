package jobqueue

import "time"

// This file decides whether a call relies on the word of a stage's workers; it does
// nothing itself. Workers of an earlier version give none, and their words may be lost.
// A call that does not rely on them listens also to what everybody is told.

// crew is the workers of a stage and bundle.
type crew struct{ stage, bundle string }

// doubt is for how long workers are not relied on after a word was missing.
const doubt = time.Minute

// hearing is what calls have heard of a crew.
type hearing struct {
	// told: there was a word.
	told bool
	// missed is when one was missing; zero: never.
	missed time.Time
}

// relies says whether a call that begins now is content with the word.
func (h hearing) relies(now time.Time) bool {
	return h.told && (h.missed.IsZero() || now.Sub(h.missed) >= doubt)
}
