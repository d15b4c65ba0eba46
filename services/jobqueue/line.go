package jobqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// LineSettings say how long the line of records may get.
type LineSettings struct {
	// MaxWaiting is how many records may wait; 0 means 1000.
	MaxWaiting int
	// Bundle and Fairness are as in WorkSettings: records for other bundles are in
	// other lines.
	Bundle   string
	Fairness Fairness
}

// Line is a view of the records that wait: who is where, how long it may take,
// and whether one more may join. It knows whom it admitted itself, and of others
// what it was told, which is a moment old: bounds may be exceeded by what other
// processes create at the same moment. It is safe for concurrent use.
type Line struct {
	r *Records
	s LineSettings

	mu     sync.Mutex
	ledger *ledger
	// places is the plan as of planned.
	places  map[RecordKey]int
	planned time.Time
}

// replan is how long a plan is good for those who ask where they are.
const replan = 500 * time.Millisecond

// NewLine returns a view of the records, which sees once it runs.
func NewLine(r *Records, s LineSettings) (*Line, error) {
	s.MaxWaiting = cmp.Or(s.MaxWaiting, 1000)
	s.Fairness.Aging = cmp.Or(s.Fairness.Aging, defaultAging)
	if err := errors.Join(atLeast("MaxWaiting", s.MaxWaiting, 1), s.Fairness.validate()); err != nil {
		return nil, err
	}
	return &Line{r: r, s: s, ledger: newLedger(s.Fairness, s.Bundle)}, nil
}

// Run watches the records until ctx ends and then returns nil; it returns an
// error when the watch ends before.
func (l *Line) Run(ctx context.Context) error {
	updates, err := l.r.rewatchAll(ctx)
	if err != nil {
		return err
	}
	for stored := range updates {
		l.observe(stored)
	}
	if ctx.Err() == nil {
		return errWatchEnded()
	}
	return nil
}

func (l *Line) observe(stored change) {
	if stored.none {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if stored.gone {
		if key, ok := parseRecordKey(stored.key); ok {
			l.ledger.forget(key)
		}
		return
	}
	// What cannot be read is left alone by those who work, who log it.
	if entry, err := parseEntry(stored); err == nil {
		l.ledger.lag = l.r.q.clock.lag()
		l.ledger.observe(entry.Key, entry.Record, entry.Revision, time.Now())
	}
}

// Place is where a record is in the line.
type Place struct {
	// Position is 1 for the next; 0 when somebody works on the record, or it is
	// not known.
	Position int
	// Remaining is the estimated time until it ends, 0 when nothing has ended
	// lately from which that could be told.
	Remaining time.Duration
}

// Place tells where a record is.
func (l *Line) Place(key RecordKey) Place {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.places == nil || now.Sub(l.planned) > replan {
		l.places, l.planned = map[RecordKey]int{}, now
		for i, k := range l.ledger.plan(now) {
			l.places[k] = i + 1
		}
	}
	s := l.ledger.records[key]
	between, known := l.ledger.rate(now)
	switch {
	case s == nil:
		return Place{}
	case s.busy(now):
		if !known || s.begun.IsZero() {
			return Place{}
		}
		return Place{Remaining: max(l.ledger.took-now.Sub(s.begun), time.Second)}
	}
	place := Place{Position: l.places[key]}
	if known && place.Position > 0 {
		place.Remaining = time.Duration(place.Position)*between + l.ledger.took
	}
	return place
}

// Admission is a record that would join the line.
type Admission struct {
	// Key is the record's.
	Key RecordKey
	// Class is Interactive or Batch.
	Class string
	// Timeout is how long it may take until it ends.
	Timeout time.Duration
	// MaxInFlight is how many of its tenant's records may wait and be worked on,
	// all together; 0 means no bound.
	MaxInFlight int
}

// The names of the limits that Admit tells of.
const (
	limitWaiting  = "max-waiting"
	limitInFlight = "in-flight"
	limitTimeout  = "timeout"
)

// Admit says whether a record may join the line: it fails with QUOTA_EXHAUSTED
// and the delay to retry after when too many are there already, or when it could
// not end within its timeout by what records took lately. A record that is
// admitted counts from now on; Withdraw ends that if it is not created.
func (l *Line) Admit(a Admission) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	f := l.ledger.forecast(a.Key.Tenant, a.Class, now)
	between, known := l.ledger.rate(now)
	switch {
	case f.all >= l.s.MaxWaiting:
		return full(fault.Limit{Name: limitWaiting, Value: int64(l.s.MaxWaiting)}, between*time.Duration(f.all-l.s.MaxWaiting+1),
			"%d are waiting, as many as may", f.all)
	case a.MaxInFlight > 0 && f.own >= a.MaxInFlight:
		return full(fault.Limit{Name: limitInFlight, Value: int64(a.MaxInFlight)}, between*time.Duration(f.own-a.MaxInFlight+1),
			"%d of yours have not ended, as many as may be under way", f.own)
	case known && f.before > 0:
		if ends := time.Duration(f.before+1)*between + l.ledger.took; ends > a.Timeout {
			return full(fault.Limit{Name: limitTimeout}, ends-a.Timeout, "%d go before it, so that it would take about %v, and its timeout is %v",
				f.before, ends.Round(time.Second), a.Timeout)
		}
	}
	l.ledger.expect(a.Key, a.Class, now)
	return nil
}

// Withdraw says that a record that was admitted is not created. One that was
// seen meanwhile stays.
func (l *Line) Withdraw(key RecordKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ledger.unexpect(key)
}

func full(limit fault.Limit, after time.Duration, format string, args ...any) error {
	f := fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "", "the queue is full: %s; retry later", fmt.Sprintf(format, args...))
	f.Limit, f.RetryAfter = &limit, max(after, time.Second)
	return f
}
