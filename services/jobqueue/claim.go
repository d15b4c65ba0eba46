package jobqueue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

// Claim is a record that this worker holds. It is safe for concurrent use.
type Claim struct {
	records *Records
	key     RecordKey
	holder  string
	attempt uint64
	lease   time.Duration
	end     context.CancelCauseFunc
	// warned: the holder was told of a cancel by its context.
	warned atomic.Bool

	mu       sync.Mutex
	record   *jobqueuev1.Record
	revision uint64
	// proven is when the last write that succeeded was begun: until proven plus
	// lease nobody else takes over.
	proven time.Time
	// over is set when the record has ended or is no longer held.
	over error
}

// writeTimeout bounds a write of a claim with its repetitions.
const writeTimeout = 3 * apiTimeout

// errFinished says that a claim was used after Finish.
var errFinished = errors.New("the record has been finished")

// Key returns the record's key.
func (c *Claim) Key() RecordKey { return c.key }

// Value returns the owner's message as last written. The caller must not
// change it.
func (c *Claim) Value() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record.GetValue()
}

// Attempt returns how many claims of the record there have been, from 1.
func (c *Claim) Attempt() uint64 { return c.attempt }

// Losses returns how many holders before this one fell silent while they held
// the record, as if it had killed them. Those who came back and said so do not
// count.
func (c *Claim) Losses() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record.GetLease().GetLosses()
}

// CancelRequested says whether somebody asked for the record to be cancelled.
func (c *Claim) CancelRequested() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record.GetCancelRequested()
}

// Update writes the owner's message. It works after the claim's context has
// ended, but fails with ErrLeaseLost when somebody else has taken over.
func (c *Claim) Update(ctx context.Context, value []byte) error {
	return c.write(ctx, false, func(r *jobqueuev1.Record) { r.Value = value })
}

// Finish writes the owner's message and ends the record: nobody claims it
// again. It fails as Update does, and with ErrCancelRequested when somebody
// cancelled the record before and the claim's context had not told it yet: the
// owner then finishes it as cancelled, by another Finish.
func (c *Claim) Finish(ctx context.Context, value []byte) error {
	err := c.write(ctx, true, func(r *jobqueuev1.Record) {
		r.Value, r.Terminal = value, true
		r.Lease = unheld(r.GetLease())
	})
	if err == nil {
		c.mu.Lock()
		c.over = errFinished
		c.mu.Unlock()
	}
	return err
}

// renew proves that this worker is alive.
func (c *Claim) renew(ctx context.Context) error {
	return c.write(ctx, false, func(*jobqueuev1.Record) {})
}

// release gives the record to whoever claims it next.
func (c *Claim) release(ctx context.Context) error {
	return c.write(ctx, false, func(r *jobqueuev1.Record) { r.Lease = unheld(r.GetLease()) })
}

// unheld is the lease of a record that nobody holds any more.
func unheld(l *jobqueuev1.Lease) *jobqueuev1.Lease {
	return &jobqueuev1.Lease{Attempt: l.GetAttempt(), Losses: l.GetLosses()}
}

// vouch takes back the loss that was counted when somebody else took over from this
// worker: it was cut off, or stood still, but is alive.
func (c *Claim) vouch(ctx context.Context) error {
	for {
		now, err := c.records.Get(ctx, c.key)
		if err != nil {
			return err
		}
		lease := now.Record.GetLease()
		if now.Record.GetTerminal() || lease.GetAttempt() <= c.attempt || lease.GetLosses() == 0 {
			return nil
		}
		next := proto.CloneOf(now.Record)
		next.Lease.Losses--
		if _, err := c.records.Update(ctx, c.key, next, now.Revision); !errors.Is(err, ErrStale) {
			return err
		}
	}
}

// cancel ends the claim's context because somebody wants it cancelled.
func (c *Claim) cancel() {
	c.warned.Store(true)
	c.end(ErrCancelRequested)
}

func (c *Claim) finished() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Is(c.over, errFinished)
}

// write changes the record by compare-and-set. The flags that others may set
// are kept; when the record turns out to be somebody else's, it fails.
func (c *Claim) write(ctx context.Context, finish bool, change func(*jobqueuev1.Record)) error {
	ctx, release := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer release()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if c.over != nil {
			return c.over
		}
		next := proto.CloneOf(c.record)
		change(next)
		begun := time.Now()
		revision, err := c.records.Update(ctx, c.key, next, c.revision)
		if err == nil {
			c.record, c.revision, c.proven = next, revision, begun
			return nil
		}
		if !errors.Is(err, ErrStale) {
			return err
		}
		fresh, err := c.records.Get(ctx, c.key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		news := err == nil && fresh.Record.GetCancelRequested() && !c.warned.Load()
		if news {
			c.cancel()
		}
		if err != nil || !c.holds(fresh.Record) {
			c.over = ErrLeaseLost
			c.end(ErrLeaseLost)
			return ErrLeaseLost
		}
		c.record, c.revision = fresh.Record, fresh.Revision
		if finish && news {
			return ErrCancelRequested
		}
	}
}

func (c *Claim) holds(r *jobqueuev1.Record) bool {
	return !r.GetTerminal() && r.GetLease().GetHolder() == c.holder && r.GetLease().GetAttempt() == c.attempt
}

// heartbeat renews the lease until done is closed. When that does not succeed
// for as long as the lease lasts, somebody else may hold the record: then the
// work ends.
func (c *Claim) heartbeat(ctx context.Context, done <-chan struct{}) {
	tick := time.NewTicker(c.lease / heartbeats)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		attempt, release := context.WithTimeout(ctx, c.lease/heartbeats)
		err := c.renew(attempt)
		release()
		if err == nil || errors.Is(err, errFinished) {
			continue
		}
		c.mu.Lock()
		expired := time.Since(c.proven) >= c.lease
		c.mu.Unlock()
		if expired {
			c.end(ErrLeaseLost)
		}
	}
}
