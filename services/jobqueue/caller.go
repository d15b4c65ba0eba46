package jobqueue

import "google.golang.org/grpc/codes"

// This file decides what a caller does next; it does nothing itself.

// want is what a caller does next.
type want uint8

const (
	// wantLook reads the result.
	wantLook want = iota
	// wantRemove takes away an outcome that does not answer this call.
	wantRemove
	// wantPublish puts the work into the queue.
	wantPublish
	// wantFind looks whether the work is in the queue, after it was refused.
	wantFind
	// wantListen begins to hear what everybody is told of the work.
	wantListen
	// wantWait waits to be told.
	wantWait
	// wantReturn returns the outcome.
	wantReturn
	// wantGiveUp returns that the queue is full.
	wantGiveUp
)

// fullAfter is how often in a row work may be refused without being in the
// queue before that means that the queue is full: once and again is somebody
// finishing just then.
const fullAfter = 3

// caller is the state of one call.
type caller struct {
	// entered: the work was in the queue since this call began, so that
	// whatever is recorded from then on is its outcome.
	entered bool
	// listens: the call hears what everybody is told of the work, not only the word
	// for the call that published it.
	listens bool
	// stale is the revision of an outcome that was there before.
	stale uint64
	// refused counts refusals without the work being in the queue.
	refused int
}

// begin: the call begins. What nobody has asked for before has no result to look for.
func (c *caller) begin(first bool) want {
	if first {
		return wantPublish
	}
	return wantLook
}

// looked: the result was read; nil when there is none.
func (c *caller) looked(r *recorded) want {
	switch {
	case r == nil:
		return wantPublish
	case reusable(r.code()) || c.entered && r.revision != c.stale:
		return wantReturn
	default:
		c.stale = r.revision
		return wantRemove
	}
}

// removed: the outcome that was there before is gone.
func (c *caller) removed() want { return wantPublish }

// published: the work was accepted, or refused as the key is in use or the
// queue is full.
func (c *caller) published(accepted bool) want {
	if !accepted {
		return wantFind
	}
	c.entered, c.refused = true, 0
	return wantWait
}

// found: after a refusal the work is, or is not, in the queue.
func (c *caller) found(present bool) want {
	if present {
		c.entered, c.refused = true, 0
		if !c.listens {
			return wantListen
		}
		return wantWait
	}
	c.refused++
	if c.refused >= fullAfter {
		return wantGiveUp
	}
	return wantLook
}

// listening: what everybody is told is heard from now on. What was told before was not.
func (c *caller) listening() want {
	c.listens = true
	return wantLook
}

// told: a result was told, to everybody or, as a word, to the call that published its
// work, perhaps before the server said that it was accepted. A word is taken for no more
// than an answer; what else it may be, the call looks for.
func (c *caller) told(r *recorded, word bool) want {
	switch {
	case !word:
		return c.heard(r)
	case reusable(r.code()):
		c.entered = true
		return c.heard(r)
	default:
		return c.disturbed()
	}
}

// heard: a result was told. One that was there before is no news.
func (c *caller) heard(r *recorded) want {
	if r.revision <= c.stale || !c.entered && !reusable(r.code()) {
		return wantWait
	}
	return wantReturn
}

// disturbed: the work left the queue, the connection was gone, or it is time to
// look again.
func (c *caller) disturbed() want { return wantLook }

// cancels says whether the end of a call's context ends its work: only work
// that belongs to the caller, and only when the caller is the one to end it.
func cancels(owned bool, code codes.Code, leave bool) bool {
	return owned && code == codes.Canceled && !leave
}
