package jobqueue

import (
	"time"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

// This file decides which follow-up is done next. It has no clock and no
// connection: the time is the caller's.

// pending is what is known of a record that has ended and has a follow-up.
type pending struct {
	revision  uint64
	group     string
	notBefore time.Time
	holder    string
	lease     time.Duration
	// since is when this revision was first seen here: leases are counted from it.
	since time.Time
	// held: this worker is at it.
	held bool
}

// followUps is what one worker knows of all follow-ups.
type followUps struct {
	perGroup int
	records  map[RecordKey]*pending
	// inHand is how many of each group this worker is at.
	inHand map[string]int
}

func newFollowUps(perGroup int) *followUps {
	return &followUps{perGroup: perGroup, records: map[RecordKey]*pending{}, inHand: map[string]int{}}
}

// observe notes a record as it was stored at a revision. Older revisions than
// the one known are no news.
func (f *followUps) observe(key RecordKey, r *jobqueuev1.Record, revision uint64, now time.Time) {
	known := f.records[key]
	if known != nil && revision <= known.revision {
		return
	}
	if !r.GetTerminal() || r.GetFollowUp() == nil {
		if known == nil || !known.held {
			delete(f.records, key)
		}
		return
	}
	if known == nil {
		known = &pending{}
		f.records[key] = known
	}
	up := r.GetFollowUp()
	known.revision, known.since = revision, now
	known.group, known.holder = up.GetGroup(), up.GetLease().GetHolder()
	known.lease = time.Duration(up.GetLease().GetDurationMs()) * time.Millisecond
	known.notBefore = time.Time{}
	if up.GetNotBefore() != nil {
		known.notBefore = up.GetNotBefore().AsTime()
	}
}

// forget notes that a record is gone.
func (f *followUps) forget(key RecordKey) {
	if p := f.records[key]; p != nil && !p.held {
		delete(f.records, key)
	}
}

// next returns the follow-up to do now, the longest due first, and otherwise when
// there may be one; zero when that needs news.
func (f *followUps) next(now time.Time) (key RecordKey, ok bool, wake time.Time) {
	var best time.Time
	for k, p := range f.records {
		if p.held || f.inHand[p.group] >= f.perGroup {
			continue
		}
		due := p.notBefore
		if p.holder != "" {
			if free := p.since.Add(p.lease); free.After(due) {
				due = free
			}
		}
		switch {
		case due.After(now):
			if wake.IsZero() || due.Before(wake) {
				wake = due
			}
		case !ok || due.Before(best):
			key, ok, best = k, true, due
		}
	}
	return key, ok, wake
}

// hold notes that this worker begins with a follow-up.
func (f *followUps) hold(key RecordKey) {
	p := f.records[key]
	p.held = true
	f.inHand[p.group]++
}

// retryUnknown is how long a follow-up waits whose record could not be read.
const retryUnknown = 2 * time.Second

// letGo notes that this worker has ended an attempt.
func (f *followUps) letGo(end followed, now time.Time) {
	p := f.records[end.key]
	p.held = false
	if f.inHand[p.group]--; f.inHand[p.group] == 0 {
		delete(f.inHand, p.group)
	}
	switch {
	case end.gone:
		delete(f.records, end.key)
	case end.at == nil, end.at.Revision < p.revision:
		// What was read is older than what the watch told, or nothing was.
		p.notBefore = now.Add(retryUnknown)
	case end.at.Record.GetFollowUp() == nil:
		delete(f.records, end.key)
	default:
		f.observe(end.key, end.at.Record, end.at.Revision, now)
	}
}
