package jobqueue

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

// WorkSettings say how records are worked on.
type WorkSettings struct {
	// Holder names this worker; empty draws a random id. Two live workers never
	// share one.
	Holder string
	// Bundle is the digest of the bundle that this worker serves: it takes records
	// for that, and for any. Those for others it takes only once they are cancelled or
	// past their deadline, to have that recorded. Empty: none, so records for any.
	Bundle string
	// Slots is how many records are worked on at once; 0 means 1.
	Slots int
	// Lease is how long a worker may be silent before others take over; 0
	// means 5 s.
	Lease time.Duration
	// Grace is how long work in hand may go on once Work's context has ended;
	// 0 means 10 s.
	Grace time.Duration
	// Backoff is the delay before this worker takes up a record that it let go
	// without finishing; it doubles with each attempt, up to 30 s. 0 means 1 s.
	Backoff time.Duration
	// Fairness is how records take turns.
	Fairness Fairness
}

// Work claims records that nobody works on, in the order of Fairness, and calls do for each, until ctx ends; it returns when
// every do has returned.
//
// The context of do carries the record's tenant and class as its Call. It ends
// with the cause ErrCancelRequested, ErrLeaseLost, ErrShutdown or, at the
// record's deadline, context.DeadlineExceeded. A record may be claimed whose
// cancel was requested or whose deadline has passed: then the context has ended
// before do starts, and do has to record that. do may be repeated by another
// worker at any time; only the one that holds the lease can write.
//
// When do returns without Finish, the record is released: another worker claims
// it, this one after a delay that grows with the attempts. do's error is logged.
func (r *Records) Work(ctx context.Context, s WorkSettings, do func(context.Context, *Claim) error) error {
	s.Holder = cmp.Or(s.Holder, rand.Text())
	s.Slots = cmp.Or(s.Slots, 1)
	s.Lease = cmp.Or(s.Lease, 5*time.Second)
	s.Grace = cmp.Or(s.Grace, 10*time.Second)
	s.Backoff = cmp.Or(s.Backoff, time.Second)
	s.Fairness.Aging = cmp.Or(s.Fairness.Aging, defaultAging)
	if err := errors.Join(atLeast("Slots", s.Slots, 1), atLeast("Lease", s.Lease, 100*time.Millisecond),
		atLeast("Grace", s.Grace, time.Millisecond), atLeast("Backoff", s.Backoff, time.Millisecond),
		s.Fairness.validate()); err != nil {
		return err
	}
	updates, err := r.rewatchAll(ctx)
	if err != nil {
		return err
	}
	jobs, stopJobs := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopJobs(nil)
	w := &recordWorker{
		r: r, s: s, do: do, jobs: jobs, ledger: newLedger(s.Fairness, s.Bundle),
		held: map[RecordKey]*Claim{}, ended: make(chan *Claim),
	}
	return w.loop(ctx, updates, stopJobs)
}

// recordWorker is one run of Work. All but do and heartbeats happens in its
// loop, which owns the ledger and held.
type recordWorker struct {
	r      *Records
	s      WorkSettings
	do     func(context.Context, *Claim) error
	jobs   context.Context //nolint:containedctx // the parent of every claim's context
	ledger *ledger
	held   map[RecordKey]*Claim
	ended  chan *Claim
	wg     sync.WaitGroup
}

func (w *recordWorker) loop(ctx context.Context, updates <-chan change, stopJobs context.CancelCauseFunc) error {
	defer w.wg.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	done := ctx.Done()
	var grace <-chan time.Time
	var failed error
	for {
		if done == nil && len(w.held) == 0 {
			return failed
		}
		// A timer that has nothing to wait for is set all the same: cheap, and one
		// case less.
		wake := time.Now().Add(time.Hour)
		if done != nil && len(w.held) < w.s.Slots {
			key, ok, at := w.ledger.next(time.Now())
			if ok {
				w.claim(ctx, key)
				continue
			}
			if !at.IsZero() {
				wake = at
			}
		}
		timer.Reset(time.Until(wake))
		select {
		case <-timer.C:
		case <-done:
			done = nil
			grace = time.After(w.s.Grace)
		case <-grace:
			stopJobs(ErrShutdown)
		case stored, open := <-updates:
			if !open {
				updates = nil
				if ctx.Err() == nil {
					failed = errWatchEnded()
					done = nil
					stopJobs(ErrLeaseLost)
				}
				continue
			}
			w.observe(stored)
		case claim := <-w.ended:
			delete(w.held, claim.key)
			delay := backoff(w.s.Backoff, claim.attempt, randomSpread())
			w.ledger.letGo(claim.key, claim.finished(), time.Now().Add(delay))
		}
	}
}

// observe notes what is told about a record.
func (w *recordWorker) observe(stored change) {
	if stored.none {
		return
	}
	if stored.gone {
		if key, ok := parseRecordKey(stored.key); ok && w.held[key] == nil {
			w.ledger.forget(key)
		}
		return
	}
	entry, err := parseEntry(stored)
	if err != nil {
		w.r.q.log.Warn("a record cannot be read and is left alone", "error", err)
		return
	}
	w.ledger.lag = w.r.q.clock.lag()
	w.ledger.observe(entry.Key, entry.Record, entry.Revision, time.Now())
	if claim := w.held[entry.Key]; claim != nil && entry.Record.GetCancelRequested() {
		claim.cancel()
	}
}

// claim tries to take a record and starts the work on it.
//
//nolint:contextcheck // the work on a claim outlives ctx by the grace: its parent is w.jobs
func (w *recordWorker) claim(ctx context.Context, key RecordKey) {
	claim, err := w.take(ctx, key)
	switch {
	case err == nil:
	case errors.Is(err, ErrNotFound):
		w.ledger.forget(key)
		return
	case errors.Is(err, ErrStale):
		// Somebody else was faster, which the watch tells too, but later.
		if entry, err := w.r.Get(ctx, key); err == nil {
			w.ledger.observe(key, entry.Record, entry.Revision, time.Now())
			return
		}
		fallthrough
	default:
		if ctx.Err() == nil {
			w.r.q.log.Warn("a record cannot be claimed for now", "id", key.ID, "error", err)
		}
		w.ledger.letGo(key, false, time.Now().Add(w.s.Lease/heartbeats))
		return
	}
	w.ledger.hold(key, claim.attempt, time.Now())
	w.held[key] = claim
	claimed, cancel := context.WithCancelCause(w.jobs)
	claim.end = cancel
	w.wg.Go(func() {
		defer cancel(nil)
		w.work(claimed, claim)
		w.ended <- claim
	})
}

// take writes this worker's name into the record.
func (w *recordWorker) take(ctx context.Context, key RecordKey) (*Claim, error) {
	entry, err := w.r.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	if entry.Record.GetTerminal() {
		return nil, fmt.Errorf("claim record %s, which has ended: %w", key.ID, ErrNotFound)
	}
	if known := w.ledger.records[key]; known.revision != entry.Revision {
		return nil, fmt.Errorf("claim record %s: %w", key.ID, ErrStale)
	}
	next := proto.CloneOf(entry.Record)
	losses := entry.Record.GetLease().GetLosses()
	if entry.Record.GetLease().GetHolder() != "" {
		losses++
	}
	next.Lease = &jobqueuev1.Lease{
		Holder: w.s.Holder, DurationMs: w.s.Lease.Milliseconds(),
		Attempt: entry.Record.GetLease().GetAttempt() + 1, Losses: losses,
	}
	begun := time.Now()
	revision, err := w.r.Update(ctx, key, next, entry.Revision)
	if err != nil {
		return nil, err
	}
	return &Claim{
		records: w.r, key: key, holder: w.s.Holder, attempt: next.GetLease().GetAttempt(), lease: w.s.Lease,
		record: next, revision: revision, proven: begun,
	}, nil
}

// work runs do on a claim, with its lease renewed meanwhile, and lets it go.
func (w *recordWorker) work(ctx context.Context, claim *Claim) {
	if claim.CancelRequested() {
		claim.cancel()
	}
	call, release := ctx, func() {}
	if deadline := claim.record.GetDeadline(); deadline != nil {
		call, release = context.WithTimeout(ctx, w.r.q.clock.left(deadline.AsTime()))
	}
	defer release()
	call = WithCall(call, Call{Tenant: claim.key.Tenant, Class: claim.record.GetClass(), Record: claim.key.ID})
	call, end := claim.traced(call)
	var alive sync.WaitGroup
	ran := make(chan struct{})
	alive.Go(func() { claim.heartbeat(context.WithoutCancel(ctx), ran) })
	err := w.do(call, claim)
	close(ran)
	alive.Wait()
	end(err)
	if claim.finished() {
		return
	}
	w.r.q.log.Warn("a record was let go before it ended", "id", claim.key.ID, "attempt", claim.attempt, "error", err)
	w.letGo(claim) //nolint:contextcheck // it goes on when the claim's own context has ended
}

// letGo releases a record that has not ended or, if somebody has taken over since,
// says that this worker is alive. It goes on while the server cannot be reached, as
// long as this worker may.
func (w *recordWorker) letGo(claim *Claim) {
	tick := time.NewTicker(w.s.Lease / heartbeats)
	defer tick.Stop()
	for try := 1; ; try++ {
		err := claim.release(w.jobs)
		if errors.Is(err, ErrLeaseLost) {
			ctx, release := bounded(context.WithoutCancel(w.jobs))
			err = claim.vouch(ctx)
			release()
		}
		if err == nil || errors.Is(err, ErrNotFound) {
			return
		}
		if try == 1 {
			w.r.q.log.Warn("a record is not released; its lease ends by itself", "id", claim.key.ID, "error", err)
		}
		select {
		case <-w.jobs.Done():
			return
		case <-tick.C:
		}
	}
}
