package conductor

import (
	"context"
	"errors"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// Verdict says what becomes of a generation after a turn.
type Verdict uint8

const (
	// Release hands the generation back: somebody runs it again.
	Release Verdict = iota
	// Succeed ends it with its pictures.
	Succeed
	// Fail ends it with a fault.
	Fail
	// Cancel ends it because its caller asked.
	Cancel
)

// maxAttempts is how often a generation is begun while its faults are of the
// kind that passes. The stages have tried again by themselves before that.
const maxAttempts = 5

// maxLosses is how many gateways may fall silent over a generation before it is
// given up.
const maxLosses = 3

// Decision is what follows from a turn's end.
type Decision struct {
	// Verdict is what becomes of the generation.
	Verdict Verdict
	// Fault is recorded with Fail; nil with every other verdict.
	Fault error
}

// Decide says what follows from a turn's end: cause is why its context ended,
// nil if it has not; err is the flow's; attempt is how many turns there have
// been.
func Decide(cause, err error, attempt uint64) Decision {
	switch {
	case err == nil:
		return Decision{Verdict: Succeed}
	case errors.Is(cause, jobqueue.ErrCancelRequested):
		return Decision{Verdict: Cancel}
	case errors.Is(cause, context.DeadlineExceeded):
		return Decision{Fail, deadlinePassed()}
	case cause != nil:
		// The lease is lost or the process stops: it is somebody else's turn.
		return Decision{Verdict: Release}
	}
	f := fault.From(err)
	switch {
	case f.Kind == fault.Deadline:
		return Decision{Fail, deadlinePassed()}
	case f.Kind == fault.Cancelled:
		// Not ours: a stage stopped with the call in hand.
		return Decision{Verdict: Release}
	case f.Retryable && attempt < maxAttempts:
		return Decision{Verdict: Release}
	default:
		return Decision{Fail, err}
	}
}

func deadlinePassed() error {
	return fault.New(fault.Deadline, faultv1.Reason_REASON_DEADLINE_PASSED, "timeout",
		"the generation did not end within its timeout; retry with a longer one")
}
