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
	// since is when this revision was first seen here. Leases are counted from
	// it, by the local clock alone, so that clocks need not agree.
	since time.Time
	// notBefore delays a record that failed here.
	notBefore time.Time
	// held: this worker holds it.
	held bool
}

// claimableAt is when nobody holds the record any more.
func (s *sight) claimableAt() time.Time {
	at := s.since
	if s.holder != "" {
		at = at.Add(s.lease)
	}
	if s.notBefore.After(at) {
		at = s.notBefore
	}
	return at
}

// ledger is what one worker knows of all records.
type ledger struct{ records map[RecordKey]*sight }

func newLedger() *ledger { return &ledger{map[RecordKey]*sight{}} }

// observe notes a record as it was stored at a revision. Older revisions than
// the one known are no news.
func (l *ledger) observe(key RecordKey, r *jobqueuev1.Record, revision uint64, now time.Time) {
	known := l.records[key]
	if known != nil && revision <= known.revision {
		return
	}
	if r.GetTerminal() {
		if known == nil || !known.held {
			delete(l.records, key)
			return
		}
	}
	if known == nil {
		known = &sight{}
		l.records[key] = known
	}
	known.revision, known.since = revision, now
	known.class, known.created = r.GetClass(), r.GetCreateTime().AsTime()
	known.holder = r.GetLease().GetHolder()
	known.lease = time.Duration(r.GetLease().GetDurationMs()) * time.Millisecond
}

// forget notes that a record is gone.
func (l *ledger) forget(key RecordKey) { delete(l.records, key) }

// hold notes that this worker claimed a record.
func (l *ledger) hold(key RecordKey) {
	if s := l.records[key]; s != nil {
		s.held = true
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

// next returns the record to claim now, and otherwise when there may be one;
// zero when that needs news.
func (l *ledger) next(now time.Time) (key RecordKey, ok bool, wake time.Time) {
	var best *sight
	for k, s := range l.records {
		if s.held {
			continue
		}
		if at := s.claimableAt(); at.After(now) {
			if wake.IsZero() || at.Before(wake) {
				wake = at
			}
			continue
		}
		if best == nil || before(k, s, key, best) {
			key, best = k, s
		}
	}
	return key, best != nil, wake
}

// before is the order of turns: interactive before batch, then the older; names
// break ties, so that the order is one.
func before(ak RecordKey, a *sight, bk RecordKey, b *sight) bool {
	rank := func(s *sight) int {
		if s.class == Batch {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), a.created.Compare(b.created), cmp.Compare(ak.stored(), bk.stored())) < 0
}
