package jobqueue

import (
	"context"
	"time"
)

// WorkSettings say how records are worked on.
type WorkSettings struct {
	// Holder names this worker; empty draws a random id. Two live workers never
	// share one.
	Holder string
	// Slots is how many records are worked on at once; 0 means 1.
	Slots int
	// Lease is how long a worker may be silent before others take over; 0
	// means 5 s.
	Lease time.Duration
	// Grace is how long work in hand may go on once Work's context has ended;
	// 0 means 10 s.
	Grace time.Duration
}

// Work claims records that nobody works on, interactive before batch and then
// the oldest first, and calls do for each, until ctx ends; it returns when
// every do has returned.
//
// The context of do ends with the cause ErrCancelRequested, ErrLeaseLost,
// ErrShutdown or, at the record's deadline, context.DeadlineExceeded. A record
// may be claimed whose cancel was requested or whose deadline has passed: then
// the context has ended before do starts and do has to record that. Calls of do
// may be repeated by another worker at any time; only one that holds the lease
// can write.
//
// When do returns without Finish, the record is released: another worker claims
// it, this one after a delay that grows with the attempts.
func (r *Records) Work(ctx context.Context, s WorkSettings, do func(context.Context, *Claim) error) error {
	panic("jobqueue: not written yet")
}

// Claim is a record that this worker holds.
type Claim struct{}

// Key returns the record's key.
func (c *Claim) Key() RecordKey { panic("jobqueue: not written yet") }

// Value returns the owner's message as last written. The caller must not
// change it.
func (c *Claim) Value() []byte { panic("jobqueue: not written yet") }

// Attempt returns how many claims of the record there have been, from 1.
func (c *Claim) Attempt() uint64 { panic("jobqueue: not written yet") }

// Update writes the owner's message. It works after the claim's context has
// ended but fails with ErrLeaseLost when somebody else has taken over.
func (c *Claim) Update(ctx context.Context, value []byte) error { panic("jobqueue: not written yet") }

// Finish writes the owner's message and ends the record: nobody claims it
// again. It fails as Update does.
func (c *Claim) Finish(ctx context.Context, value []byte) error { panic("jobqueue: not written yet") }
