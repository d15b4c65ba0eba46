package jobqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// LineSettings say how long the line of records may get.
type LineSettings struct {
	// MaxWaiting is how many records may wait; 0 means 1000.
	MaxWaiting int
	// MaxWaitingPerTenant is how many records of one tenant may wait; 0 means 200.
	MaxWaitingPerTenant int
	// Fairness is as in WorkSettings.
	Fairness Fairness
}

// Line is a view of the records that wait: who is where, how long it may take,
// and whether one more may join. It knows what it was told, which is a moment
// old: bounds may be exceeded by what is created at the same moment. It is safe
// for concurrent use.
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
	s.MaxWaitingPerTenant = cmp.Or(s.MaxWaitingPerTenant, 200)
	s.Fairness.Aging = cmp.Or(s.Fairness.Aging, defaultAging)
	if err := errors.Join(atLeast("MaxWaiting", s.MaxWaiting, 1),
		atLeast("MaxWaitingPerTenant", s.MaxWaitingPerTenant, 1), s.Fairness.validate()); err != nil {
		return nil, err
	}
	return &Line{r: r, s: s, ledger: newLedger(s.Fairness)}, nil
}

// Run watches the records until ctx ends and then returns nil; it returns an
// error when the watch ends before.
func (l *Line) Run(ctx context.Context) error {
	updates, err := l.r.rewatch(ctx, ">")
	if err != nil {
		return err
	}
	for stored := range updates {
		if stored != nil {
			l.observe(stored)
		}
	}
	if ctx.Err() == nil {
		return unavailable(errors.New("the watch of records ended"))
	}
	return nil
}

func (l *Line) observe(stored jetstream.KeyValueEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stored.Operation() != jetstream.KeyValuePut {
		if key, ok := parseRecordKey(stored.Key()); ok {
			l.ledger.forget(key)
		}
		return
	}
	// What cannot be read is left alone by those who work, who log it.
	if entry, err := parseEntry(stored); err == nil {
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

// Admit says whether a record may join the line: it fails with QUOTA_EXHAUSTED
// and the delay to retry after when too many wait already, or when it could not
// end within timeout by what records took lately.
func (l *Line) Admit(tenant, class string, timeout time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	all, own, before := l.ledger.forecast(tenant, class, now)
	between, known := l.ledger.rate(now)
	switch {
	case all >= l.s.MaxWaiting:
		return full(between*time.Duration(all-l.s.MaxWaiting+1), "%d are waiting, as many as may", all)
	case own >= l.s.MaxWaitingPerTenant:
		return full(between*time.Duration(own-l.s.MaxWaitingPerTenant+1), "%d of yours are waiting, as many as may", own)
	case !known || before == 0:
		return nil
	}
	if ends := time.Duration(before+1)*between + l.ledger.took; ends > timeout {
		return full(ends-timeout, "%d go before it, so that it would take about %v, and its timeout is %v",
			before, ends.Round(time.Second), timeout)
	}
	return nil
}

func full(after time.Duration, format string, args ...any) error {
	f := fault.New(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED, "", "the queue is full: %s; retry later", fmt.Sprintf(format, args...))
	f.RetryAfter = max(after, time.Second)
	return f
}
