package jobqueue

import (
	"cmp"
	"time"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

// This file decides which record is claimed next, and when a lease has ended.
// It has no clock and no connection: the time is the caller's.

// sight is what is known of a record that has not ended.
type sight struct {
	revision uint64
	class    string
	created  time.Time
	holder   string
	lease    time.Duration
	// attempt is how many claims there have been.
	attempt uint64
	// losses is how many holders fell silent over the record.
	losses uint64
	// begun is when this claim was first seen here; zero while nobody holds the
	// record.
	begun time.Time
	// since is when this revision was first seen here. Leases are counted from
	// it, by the local clock alone, so that clocks need not agree.
	since time.Time
	// notBefore delays a record that failed here.
	notBefore time.Time
	// held: this worker holds it.
	held bool
	// foreign: it is for workers of another bundle, until deadline; zero is never.
	foreign  bool
	deadline time.Time
}

// ledger is what one worker knows of all records.
type ledger struct {
	fair Fairness
	// bundle is this worker's; records for others are theirs.
	bundle  string
	records map[RecordKey]*sight
	shares  *shares
	// lag is how far the local clock is behind the one that records' times are by.
	lag time.Duration
	// took is the mean time from claim to end lately, and ended how many ends that
	// is of.
	took  time.Duration
	ended int
}

func newLedger(f Fairness, bundle string) *ledger {
	return &ledger{fair: f, bundle: bundle, records: map[RecordKey]*sight{}, shares: newShares(f)}
}

// observe notes a record as it was stored at a revision. Older revisions than
// the one known are no news.
func (l *ledger) observe(key RecordKey, r *jobqueuev1.Record, revision uint64, now time.Time) {
	known := l.records[key]
	if known != nil && revision <= known.revision {
		return
	}
	if r.GetTerminal() {
		if known != nil && !known.begun.IsZero() && !r.GetCancelRequested() {
			l.learn(now.Sub(known.begun))
			known.begun = time.Time{}
		}
		if known == nil || !known.held {
			delete(l.records, key)
			return
		}
	}
	if known == nil {
		// Claims from before are not charged: they are over, or were elsewhere.
		known = &sight{attempt: r.GetLease().GetAttempt()}
		l.records[key] = known
	}
	known.revision, known.since = revision, now
	known.class, known.created = r.GetClass(), r.GetCreateTime().AsTime()
	known.foreign = r.GetBundle() != "" && r.GetBundle() != l.bundle && !r.GetCancelRequested()
	known.deadline = time.Time{}
	if r.GetDeadline() != nil {
		known.deadline = r.GetDeadline().AsTime()
	}
	known.holder, known.losses = r.GetLease().GetHolder(), r.GetLease().GetLosses()
	known.lease = time.Duration(r.GetLease().GetDurationMs()) * time.Millisecond
	if known.holder == "" {
		known.begun = time.Time{}
	}
	if attempt := r.GetLease().GetAttempt(); attempt > known.attempt {
		known.attempt, known.begun = attempt, now
		l.shares.took(key.Tenant)
	}
}

// learnt is the weight of the newest of the times that records took.
const learnt = 0.2

func (l *ledger) learn(took time.Duration) {
	if l.ended++; l.ended == 1 {
		l.took = took
		return
	}
	l.took += time.Duration(learnt * float64(took-l.took))
}

// forget notes that a record is gone.
func (l *ledger) forget(key RecordKey) { delete(l.records, key) }

// hold notes that this worker claimed a record, as the given attempt.
func (l *ledger) hold(key RecordKey, attempt uint64, now time.Time) {
	s := l.records[key]
	if s == nil {
		return
	}
	s.held = true
	if attempt > s.attempt {
		s.attempt, s.begun = attempt, now
		l.shares.took(key.Tenant)
	}
}

// letGo notes that this worker no longer holds a record: it has ended, or may be
// claimed again, here not before the given time.
func (l *ledger) letGo(key RecordKey, ended bool, notBefore time.Time) {
	s := l.records[key]
	if s == nil {
		return
	}
	if ended {
		delete(l.records, key)
		return
	}
	s.held, s.notBefore = false, notBefore
}

// inFlight is how many records of each tenant are worked on.
func (l *ledger) inFlight(now time.Time) map[string]int {
	count := map[string]int{}
	for key, s := range l.records {
		if s.busy(now) {
			count[key.Tenant]++
		}
	}
	return count
}

// busy says whether somebody works on the record.
func (s *sight) busy(now time.Time) bool {
	return s.held || s.holder != "" && s.since.Add(s.lease).After(now)
}

// apartFrom is how many holders fall silent over a record until it is held apart.
const apartFrom = 2

// suspect says whether the record, or what was held beside it, seems to kill its
// holders. A worker holds one such at a time: if it falls silent too, the blame is
// that one's alone.
func (s *sight) suspect() bool { return s.losses >= apartFrom }

// holdsSuspect says whether this worker holds a suspect.
func (l *ledger) holdsSuspect() bool {
	for _, s := range l.records {
		if s.held && s.suspect() {
			return true
		}
	}
	return false
}

// next returns the record to claim now, and otherwise when there may be one;
// zero when that needs news.
func (l *ledger) next(now time.Time) (key RecordKey, ok bool, wake time.Time) {
	working, watched := l.inFlight(now), l.holdsSuspect()
	var best *sight
	for k, s := range l.records {
		if s.held || watched && s.suspect() || !s.busy(now) && l.capped(k.Tenant, working) {
			continue
		}
		at, ever := l.claimableAt(s)
		if !ever {
			continue
		}
		if at.After(now) {
			if wake.IsZero() || at.Before(wake) {
				wake = at
			}
			continue
		}
		if best == nil || l.before(k, s, key, best, l.shares, now) {
			key, best = k, s
		}
	}
	return key, best != nil, wake
}

// claimableAt is when nobody holds the record any more, and it is this worker's to
// claim; false when that needs news.
func (l *ledger) claimableAt(s *sight) (time.Time, bool) {
	at := s.since
	if s.holder != "" {
		at = at.Add(s.lease)
	}
	if s.notBefore.After(at) {
		at = s.notBefore
	}
	if !s.foreign {
		return at, true
	}
	// Perhaps no worker of its bundle is left: that it is late anybody can tell.
	if late := s.deadline.Add(-l.lag); late.After(at) {
		at = late
	}
	return at, !s.deadline.IsZero()
}

// capped says whether as many of a tenant's records are worked on as may be.
func (l *ledger) capped(tenant string, working map[string]int) bool {
	most := l.fair.of(tenant).MaxRunning
	return most > 0 && working[tenant] >= most
}

// before is the order of turns; names break ties, so that the order is one.
func (l *ledger) before(ak RecordKey, a *sight, bk RecordKey, b *sight, s *shares, now time.Time) bool {
	return cmp.Or(
		cmp.Compare(l.rank(a, now), l.rank(b, now)),
		cmp.Compare(s.turn(ak.Tenant), s.turn(bk.Tenant)),
		a.created.Compare(b.created),
		cmp.Compare(ak.stored(), bk.stored()),
	) < 0
}

// rank is 0 for what goes first.
func (l *ledger) rank(s *sight, now time.Time) int {
	if s.class == Batch && (l.fair.Aging == 0 || now.Add(l.lag).Sub(s.created) < l.fair.Aging) {
		return 1
	}
	return 0
}
