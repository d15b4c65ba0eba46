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
	"google.golang.org/protobuf/types/known/timestamppb"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

// FollowUpSettings say how follow-ups are done.
type FollowUpSettings struct {
	// Slots is how many are done at once; 0 means 32.
	Slots int
	// SlotsPerGroup is how many of one group; 0 means 4.
	SlotsPerGroup int
	// Lease is how long an attempt may take, after which another worker makes one,
	// too; 0 means 1 min.
	Lease time.Duration
	// Stage is what dead letters of follow-ups have in the place of a stage; empty
	// means "follow-up".
	Stage string
}

// Attempt is one attempt at a follow-up.
type Attempt struct {
	// Key is the record's.
	Key RecordKey
	// Number is how many attempts there have been, from 1.
	Number int
	// Value is the owner's message as it was last written.
	Value []byte
}

// Followed is what an attempt led to.
type Followed struct {
	// Value is the owner's message from now on; nil leaves it as it is.
	Value []byte
	// Again is when the next attempt is made; zero says that there is nothing more
	// to do.
	Again time.Time
	// GivenUp, unless empty, says that the follow-up is given up, and why, for the
	// operator: it becomes a dead letter, from which it can be redriven. Again does
	// not matter then.
	GivenUp string
}

// releaseTime bounds the write after an attempt.
const releaseTime = 2 * apiTimeout

// FollowUp calls do for the follow-up of each record that has ended, until ctx
// ends; it returns when every do has returned. Among all who call it one at a time
// is at a follow-up, by a lease in the record. do is repeated by another worker
// when one dies, so that what it does happens at least once; its context ends
// with ctx and within the lease. An attempt whose do fails is as if it had not
// been made, and is made again after the lease.
func (r *Records) FollowUp(ctx context.Context, s FollowUpSettings, do func(context.Context, Attempt) (Followed, error)) error {
	s.Slots, s.SlotsPerGroup = cmp.Or(s.Slots, 32), cmp.Or(s.SlotsPerGroup, 4)
	s.Lease = cmp.Or(s.Lease, time.Minute)
	s.Stage = cmp.Or(s.Stage, "follow-up")
	if !validToken(s.Stage) {
		return fmt.Errorf("jobqueue setting Stage is %q; it is 1 to 63 letters, digits, _ or -", s.Stage)
	}
	if err := errors.Join(atLeast("Slots", s.Slots, 1), atLeast("SlotsPerGroup", s.SlotsPerGroup, 1),
		atLeast("Lease", s.Lease, 100*time.Millisecond)); err != nil {
		return err
	}
	updates, err := r.rewatchAll(ctx)
	if err != nil {
		return err
	}
	f := &follower{r: r, s: s, do: do, holder: rand.Text(), ledger: newFollowUps(s.SlotsPerGroup), ended: make(chan followed)}
	return f.loop(ctx, updates)
}

// follower is one run of FollowUp. All but do happens in its loop, which owns the
// ledger.
type follower struct {
	r      *Records
	s      FollowUpSettings
	do     func(context.Context, Attempt) (Followed, error)
	holder string
	ledger *followUps
	ended  chan followed
	wg     sync.WaitGroup
}

// followed is the end of an attempt, with the record as it is then; nil when that
// is not known, or the record is gone.
type followed struct {
	key  RecordKey
	at   *Entry
	gone bool
}

func (f *follower) loop(ctx context.Context, updates <-chan change) error {
	defer f.wg.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	inHand := 0
	done := ctx.Done()
	var failed error
	for done != nil || inHand > 0 {
		wake := f.r.q.Now().Add(time.Hour)
		if done != nil && inHand < f.s.Slots {
			key, ok, at := f.ledger.next(f.r.q.Now())
			if ok {
				f.begin(ctx, key)
				inHand++
				continue
			}
			if !at.IsZero() {
				wake = at
			}
		}
		timer.Reset(f.r.q.clock.left(wake))
		select {
		case <-timer.C:
		case <-done:
			done = nil
		case stored, open := <-updates:
			if open {
				f.observe(stored)
				continue
			}
			updates = nil
			if ctx.Err() == nil {
				failed = errWatchEnded()
				done = nil
			}
		case end := <-f.ended:
			inHand--
			f.ledger.letGo(end, f.r.q.Now())
		}
	}
	return failed
}

func (f *follower) observe(stored change) {
	if stored.none {
		return
	}
	if stored.gone {
		if key, ok := parseRecordKey(stored.key); ok {
			f.ledger.forget(key)
		}
		return
	}
	// What cannot be read is left alone by those who work, who log it.
	if entry, err := parseEntry(stored); err == nil {
		f.ledger.observe(entry.Key, entry.Record, entry.Revision, f.r.q.Now())
	}
}

// begin starts an attempt.
func (f *follower) begin(ctx context.Context, key RecordKey) {
	known := f.ledger.records[key].revision
	f.ledger.hold(key)
	f.wg.Go(func() {
		at, err := f.attempt(ctx, key, known)
		if err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrNotFound) && ctx.Err() == nil {
			f.r.q.log.Warn("a follow-up is not recorded; it is done again", "id", key.ID, "error", err)
		}
		f.ended <- followed{key, at, errors.Is(err, ErrNotFound)}
	})
}

// attempt takes a follow-up, does it and records what came of it. It returns the
// record as it is known then, nil when that is only known to the server.
func (f *follower) attempt(ctx context.Context, key RecordKey, known uint64) (*Entry, error) {
	entry, err := f.r.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	up := entry.Record.GetFollowUp()
	if entry.Revision != known || up == nil || !entry.Record.GetTerminal() {
		// Somebody else is at it, or was; what they leave is here.
		return entry, nil
	}
	next := proto.CloneOf(entry.Record)
	number := up.GetLease().GetAttempt() + 1
	next.FollowUp.Lease = &jobqueuev1.Lease{Holder: f.holder, DurationMs: f.s.Lease.Milliseconds(), Attempt: number}
	revision, err := f.r.Update(ctx, key, next, entry.Revision)
	if err != nil {
		return f.latest(ctx, key), err
	}
	doing, stop := context.WithTimeout(ctx, f.s.Lease)
	result, failed := f.do(doing, Attempt{Key: key, Number: int(number), Value: next.GetValue()})
	stop()
	if failed == nil && result.GivenUp != "" {
		result.Again, failed = time.Time{}, f.bury(ctx, key, next, result.GivenUp)
	}
	next = proto.CloneOf(next)
	switch {
	case failed != nil:
		next.FollowUp.Lease = &jobqueuev1.Lease{Attempt: number - 1}
		if ctx.Err() == nil {
			next.FollowUp.NotBefore = timestamppb.New(f.r.q.Now().Add(f.s.Lease))
		}
	case result.Again.IsZero():
		next.FollowUp = nil
	default:
		next.FollowUp.Lease = &jobqueuev1.Lease{Attempt: number}
		next.FollowUp.NotBefore = timestamppb.New(result.Again)
	}
	if failed == nil && result.Value != nil {
		next.Value = result.Value
	}
	writing, release := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer release()
	if revision, err = f.r.Update(writing, key, next, revision); err != nil {
		return f.latest(writing, key), errors.Join(err, failed)
	}
	if failed != nil {
		failed = fmt.Errorf("follow up on record %s: %w", key.ID, failed)
	}
	return &Entry{Key: key, Record: next, Revision: revision}, failed
}

// latest is the record as it stands, nil when that cannot be learnt now.
func (f *follower) latest(ctx context.Context, key RecordKey) *Entry {
	entry, err := f.r.Get(ctx, key)
	if err != nil {
		return nil
	}
	return entry
}
