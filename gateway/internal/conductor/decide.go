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

// Decide says what follows from a turn's end: cause is why its context ended,
// nil if it has not; err is the flow's. With Fail comes the fault to record.
func Decide(cause, err error, attempt uint64) (Verdict, error) {
	switch {
	case err == nil:
		return Succeed, nil
	case errors.Is(cause, jobqueue.ErrCancelRequested):
		return Cancel, nil
	case errors.Is(cause, context.DeadlineExceeded):
		return Fail, deadlinePassed()
	case cause != nil:
		// The lease is lost or the process stops: it is somebody else's turn.
		return Release, nil
	}
	f := fault.From(err)
	switch {
	case f.Kind == fault.Deadline:
		return Fail, deadlinePassed()
	case f.Kind == fault.Cancelled:
		// Not ours: a stage stopped with the call in hand.
		return Release, nil
	case f.Retryable && attempt < maxAttempts:
		return Release, nil
	default:
		return Fail, err
	}
}

func deadlinePassed() error {
	return fault.New(fault.Deadline, faultv1.Reason_REASON_DEADLINE_PASSED, "timeout",
		"the generation did not end within its timeout; retry with a longer one")
}
