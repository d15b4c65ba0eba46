package jobqueue

import (
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/facestudio/facestudio/services/fault"
)

// This file decides, and does nothing else: what a worker does with a message,
// given what it knows. It has no clock, no connection and no randomness.

// action is what a worker does with a message.
type action uint8

const (
	// run calls the handler.
	run action = iota
	// settle acknowledges: the result is there.
	settle
	// drop acknowledges work that has no result and needs none, and tells its
	// callers to look again.
	drop
	// record creates the result, then acknowledges.
	record
	// retry gives the message back for a later attempt.
	retry
	// handBack gives the message back for another worker, at once.
	handBack
	// passOn gives the message back for a worker that understands it.
	passOn
	// quarantine makes it a dead letter whose result is ATTEMPTS_EXHAUSTED: it
	// failed as often as it may.
	quarantine
	// isolate does so because it silenced its workers.
	isolate
	// refuse makes it a dead letter without a result: nobody can wait for it.
	refuse
)

var actionNames = [...]string{"run", "settle", "drop", "record", "retry", "hand_back", "pass_on", "quarantine", "isolate", "refuse"}

// String returns the name of the action, for metrics.
func (a action) String() string { return actionNames[a] }

// arrival is what a worker knows of a message before it runs.
type arrival struct {
	// foreign: it is no work message of this version.
	foreign bool
	// newer: its version is not known here.
	newer bool
	// silent is how many earlier deliveries ended without a word.
	silent, maxKills uint64
	// decided: its result is recorded, whatever it is.
	decided bool
	// late: its deadline has passed.
	late bool
	// stopping: this worker does not begin anything.
	stopping bool
}

// admit decides whether a message is run.
func admit(a arrival) action {
	switch {
	case a.foreign:
		return refuse
	case a.decided:
		return settle
	case a.newer:
		return passOn
	case a.late:
		return drop
	case a.silent >= a.maxKills:
		return isolate
	case a.stopping:
		return handBack
	default:
		return run
	}
}

// ending is why a handler's context ended before the handler did.
type ending uint8

const (
	notEnded ending = iota
	endedByCancel
	endedByDeadline
	endedByShutdown
)

// departure is what a worker knows of a call when its handler has returned.
type departure struct {
	status *status.Status
	ended  ending
	// failed is how many attempts before this one ended with a fault that may
	// pass. Deliveries that were handed back are no attempts.
	failed, maxAttempts uint64
}

// conclude decides what becomes of a call that was run. A result that the
// handler reached is recorded whatever else happened: the Create arbitrates.
func conclude(d departure) action {
	if d.status.Code() == codes.OK || final(d.status) {
		return record
	}
	switch d.ended {
	case endedByCancel:
		return settle
	case endedByDeadline:
		return drop
	case endedByShutdown:
		return handBack
	}
	if d.failed+1 >= d.maxAttempts {
		return quarantine
	}
	return retry
}

// final says whether trying again can not help. What nobody classified is tried
// again, elsewhere if need be, and is then a dead letter for us to look at.
func final(s *status.Status) bool {
	f := fault.From(s.Err())
	if f.Retryable {
		return false
	}
	switch s.Code() {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied,
		codes.Unauthenticated, codes.FailedPrecondition, codes.OutOfRange, codes.ResourceExhausted:
		return true
	default:
		return false
	}
}

// reusable says whether a recorded outcome answers later calls too. The others
// are there only to end the call in flight, once.
func reusable(code codes.Code) bool {
	switch code {
	case codes.Canceled, codes.DeadlineExceeded, codes.Unavailable:
		return false
	default:
		return true
	}
}

// lifetime is how long an outcome is kept. Of content-keyed work only what the
// content alone determines is kept for others: a blob that is missing now may be
// stored in a moment.
func lifetime(s Settings, owned bool, code codes.Code) time.Duration {
	switch {
	case code == codes.OK && owned:
		return s.ResultTTL
	case code == codes.OK:
		return s.ContentTTL
	case owned || code == codes.InvalidArgument || code == codes.Internal:
		return s.FaultTTL
	default:
		return transientTTL
	}
}

// transientTTL is long enough for everybody who waits to look.
const transientTTL = 2 * time.Second

const maxBackoff = 30 * time.Second

// backoff is the delay before the attempt after this one: doubling, at most 30
// s, with spread in [0, 1) taking away up to half of it, so that work that
// failed together does not come back together.
func backoff(base time.Duration, attempt uint64, spread float64) time.Duration {
	delay := maxBackoff
	if shift := attempt - 1; shift < 16 && base<<shift < maxBackoff {
		delay = base << shift
	}
	return delay - time.Duration(spread*float64(delay)/2)
}

func randomSpread() float64 { return rand.Float64() }
