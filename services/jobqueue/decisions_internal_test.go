package jobqueue

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func TestAdmit(t *testing.T) {
	for name, c := range map[string]struct {
		arrival arrival
		want    action
	}{
		"fresh":                     {arrival{maxKills: 3}, run},
		"silenced two":              {arrival{silent: 2, maxKills: 3}, run},
		"silenced three":            {arrival{silent: 3, maxKills: 3}, isolate},
		"late":                      {arrival{maxKills: 3, late: true}, drop},
		"late, silenced three":      {arrival{silent: 3, maxKills: 3, late: true}, drop},
		"decided":                   {arrival{maxKills: 3, decided: true, late: true}, settle},
		"decided, silenced three":   {arrival{silent: 3, maxKills: 3, decided: true}, settle},
		"worker stops":              {arrival{maxKills: 3, stopping: true}, handBack},
		"worker stops, but decided": {arrival{maxKills: 3, stopping: true, decided: true}, settle},
		"of a newer version":        {arrival{newer: true, silent: 9, maxKills: 3}, passOn},
		"foreign":                   {arrival{foreign: true, stopping: true, decided: true}, refuse},
	} {
		t.Run(name, func(t *testing.T) {
			if got := admit(c.arrival); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestConclude(t *testing.T) {
	ok := status.New(codes.OK, "")
	ours := func(kind fault.Kind, reason faultv1.Reason) *status.Status {
		return fault.ToStatus(fault.New(kind, reason, "", "m"))
	}
	noFace := ours(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND)
	away := ours(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE)
	bug := status.New(codes.Internal, "internal error")
	cancelled := status.New(codes.Canceled, "")
	for name, c := range map[string]struct {
		departure departure
		want      action
	}{
		"done":                           {departure{ok, notEnded, 0, 3}, record},
		"done, cancelled meanwhile":      {departure{ok, endedByCancel, 0, 3}, record},
		"done, late":                     {departure{ok, endedByDeadline, 0, 3}, record},
		"done in the grace":              {departure{ok, endedByShutdown, 0, 3}, record},
		"bad input":                      {departure{noFace, notEnded, 0, 3}, record},
		"bad input on the last attempt":  {departure{noFace, notEnded, 2, 3}, record},
		"dependency away":                {departure{away, notEnded, 0, 3}, retry},
		"dependency away, last attempt":  {departure{away, notEnded, 2, 3}, quarantine},
		"bug":                            {departure{bug, notEnded, 0, 3}, retry},
		"bug, last attempt":              {departure{bug, notEnded, 2, 3}, quarantine},
		"full for now":                   {departure{ours(fault.Exhausted, faultv1.Reason_REASON_QUOTA_EXHAUSTED), notEnded, 0, 3}, retry},
		"cancelled":                      {departure{cancelled, endedByCancel, 0, 3}, settle},
		"cancelled on the last attempt":  {departure{cancelled, endedByCancel, 2, 3}, settle},
		"late":                           {departure{cancelled, endedByDeadline, 2, 3}, drop},
		"handed back":                    {departure{cancelled, endedByShutdown, 2, 3}, handBack},
		"cancelled by something else":    {departure{cancelled, notEnded, 0, 3}, retry},
		"a failure that the cancel made": {departure{bug, endedByCancel, 0, 3}, settle},
	} {
		t.Run(name, func(t *testing.T) {
			if got := conclude(c.departure); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestLifetime(t *testing.T) {
	s, err := Settings{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		owned bool
		code  codes.Code
		want  time.Duration
	}{
		"owned result":               {true, codes.OK, s.ResultTTL},
		"shared result":              {false, codes.OK, s.ContentTTL},
		"owned fault":                {true, codes.FailedPrecondition, s.FaultTTL},
		"fault of the content":       {false, codes.InvalidArgument, s.FaultTTL},
		"given up":                   {false, codes.Internal, s.FaultTTL},
		"fault of the circumstances": {false, codes.FailedPrecondition, transientTTL},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lifetime(s, c.owned, c.code); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestBackoffDoublesToItsBound(t *testing.T) {
	for attempt, want := range map[uint64]time.Duration{
		1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 3: time.Second, 8: maxBackoff, 1 << 40: maxBackoff,
	} {
		if got := backoff(250*time.Millisecond, attempt, 0); got != want {
			t.Errorf("attempt %d: got %v, want %v", attempt, got, want)
		}
		if got := backoff(250*time.Millisecond, attempt, 0.999); got < want/2 || got > want {
			t.Errorf("attempt %d: spread to %v", attempt, got)
		}
	}
}

func TestCaller(t *testing.T) {
	at := func(code codes.Code, revision uint64) *recorded {
		return &recorded{&jobqueuev1.Result{Code: int32(code)}, revision}
	}
	done, cancelled := at(codes.OK, 5), at(codes.Canceled, 5)
	for name, c := range map[string]struct {
		steps func(*caller) want
		want  want
	}{
		"begins":                        {func(c *caller) want { return c.begin(false) }, wantLook},
		"first of its owner":            {func(c *caller) want { return c.begin(true) }, wantPublish},
		"listens now":                   {func(c *caller) want { c.found(true); return c.listening() }, wantLook},
		"a word":                        {func(c *caller) want { c.published(true); return c.told(done, true) }, wantReturn},
		"a word before it was accepted": {func(c *caller) want { return c.told(done, true) }, wantReturn},
		"a word of a cancel":            {func(c *caller) want { c.published(true); return c.told(cancelled, true) }, wantLook},
		"a word of what was there before": {func(c *caller) want {
			c.looked(cancelled)
			c.removed()
			c.published(true)
			return c.told(done, true)
		}, wantWait},
		"nothing there":      {func(c *caller) want { return c.looked(nil) }, wantPublish},
		"memoised":           {func(c *caller) want { return c.looked(done) }, wantReturn},
		"cancelled before":   {func(c *caller) want { return c.looked(cancelled) }, wantRemove},
		"accepted":           {func(c *caller) want { return c.published(true) }, wantWait},
		"refused":            {func(c *caller) want { return c.published(false) }, wantFind},
		"joined":             {func(c *caller) want { return c.found(true) }, wantListen},
		"joined, listening":  {func(c *caller) want { c.listens = true; return c.found(true) }, wantWait},
		"refused, but gone":  {func(c *caller) want { return c.found(false) }, wantLook},
		"told":               {func(c *caller) want { c.published(true); return c.heard(done) }, wantReturn},
		"told before it was": {func(c *caller) want { return c.heard(done) }, wantReturn},
		"told of a cancel":   {func(c *caller) want { c.published(true); return c.heard(cancelled) }, wantReturn},
		"found cancelled":    {func(c *caller) want { c.published(true); return c.looked(cancelled) }, wantReturn},
		"told of an earlier cancel": {func(c *caller) want {
			c.looked(cancelled)
			c.removed()
			c.published(true)
			return c.heard(cancelled)
		}, wantWait},
		"told of a cancel before this call": {func(c *caller) want { return c.heard(cancelled) }, wantWait},
		"queue full": {func(c *caller) want {
			for range fullAfter - 1 {
				c.published(false)
				c.found(false)
			}
			c.published(false)
			return c.found(false)
		}, wantGiveUp},
		"disturbed": {func(c *caller) want { c.published(true); return c.disturbed() }, wantLook},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.steps(&caller{}); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestLedger(t *testing.T) {
	start := time.Unix(1000, 0)
	a, b, c := RecordKey{"t", "a"}, RecordKey{"t", "b"}, RecordKey{"t", "c"}
	rec := func(class string, created int64, holder string) *jobqueuev1.Record {
		return &jobqueuev1.Record{
			Class: class, CreateTime: timestamppb.New(time.Unix(created, 0)),
			Lease: &jobqueuev1.Lease{Holder: holder, DurationMs: 5000},
		}
	}
	of := func(bundle string, deadline int64) *jobqueuev1.Record {
		r := rec(Interactive, 1, "")
		r.Bundle = bundle
		if deadline != 0 {
			r.Deadline = timestamppb.New(time.Unix(deadline, 0))
		}
		return r
	}
	type turn struct {
		after time.Duration
		want  RecordKey
		none  bool
		wake  time.Duration
	}
	for name, test := range map[string]struct {
		setUp func(*ledger)
		turns []turn
	}{
		"empty": {func(*ledger) {}, []turn{{none: true}}},
		"interactive before an older batch": {func(l *ledger) {
			l.observe(a, rec(Batch, 1, ""), 1, start)
			l.observe(b, rec(Interactive, 2, ""), 2, start)
		}, []turn{{want: b}}},
		"the older first": {func(l *ledger) {
			l.observe(a, rec(Interactive, 2, ""), 1, start)
			l.observe(b, rec(Interactive, 1, ""), 2, start)
		}, []turn{{want: b}}},
		"names break ties": {func(l *ledger) {
			l.observe(c, rec(Interactive, 1, ""), 1, start)
			l.observe(b, rec(Interactive, 1, ""), 2, start)
		}, []turn{{want: b}}},
		"a lease ends by local time": {func(l *ledger) {
			l.observe(a, rec(Interactive, 1, "other"), 1, start)
		}, []turn{{none: true, wake: 5 * time.Second}, {after: 4 * time.Second, none: true, wake: 5 * time.Second}, {after: 5 * time.Second, want: a}}},
		"a renewal begins it anew": {func(l *ledger) {
			l.observe(a, rec(Interactive, 1, "other"), 1, start)
			l.observe(a, rec(Interactive, 1, "other"), 2, start.Add(4*time.Second))
		}, []turn{{after: 5 * time.Second, none: true, wake: 9 * time.Second}, {after: 9 * time.Second, want: a}}},
		"an old revision is no news": {func(l *ledger) {
			l.observe(a, rec(Interactive, 1, ""), 2, start)
			l.observe(a, rec(Interactive, 1, "other"), 1, start.Add(time.Second))
		}, []turn{{want: a}}},
		"released is free at once": {func(l *ledger) {
			l.observe(a, rec(Interactive, 1, "other"), 1, start)
			l.observe(a, rec(Interactive, 1, ""), 2, start)
		}, []turn{{want: a}}},
		"held is not claimed": {func(l *ledger) {
			l.observe(a, rec(Interactive, 1, ""), 1, start)
			l.hold(a, 1, start)
		}, []turn{{none: true}}},
		"another bundle's is left to its workers": {func(l *ledger) {
			l.observe(a, of("theirs", 0), 1, start)
			l.observe(b, of("ours", 0), 2, start)
		}, []turn{{want: b}}},
		"but not when it is late": {func(l *ledger) {
			l.observe(a, of("theirs", 1060), 1, start)
		}, []turn{{none: true, wake: time.Minute}, {after: time.Minute, want: a}}},
		"or when it is cancelled": {func(l *ledger) {
			r := of("theirs", 0)
			r.CancelRequested = true
			l.observe(a, of("theirs", 0), 1, start)
			l.observe(a, r, 2, start)
		}, []turn{{want: a}}},
		"late by the server's clock": {func(l *ledger) {
			l.lag = 20 * time.Second
			l.observe(a, of("theirs", 1060), 1, start)
		}, []turn{{none: true, wake: 40 * time.Second}}},
		"what failed here waits": {func(l *ledger) {
			l.observe(a, rec(Interactive, 1, ""), 1, start)
			l.hold(a, 1, start)
			l.letGo(a, false, start.Add(time.Second))
		}, []turn{{none: true, wake: time.Second}, {after: time.Second, want: a}}},
		"ended is forgotten": {func(l *ledger) {
			l.observe(a, rec(Interactive, 1, ""), 1, start)
			l.observe(a, &jobqueuev1.Record{Terminal: true}, 2, start)
		}, []turn{{none: true}}},
		"finished here is forgotten": {func(l *ledger) {
			l.observe(a, rec(Interactive, 1, ""), 1, start)
			l.hold(a, 1, start)
			l.letGo(a, true, start)
		}, []turn{{after: time.Hour, none: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(Fairness{}, "ours")
			test.setUp(l)
			for _, turn := range test.turns {
				key, ok, wake := l.next(start.Add(turn.after))
				if ok == turn.none || key != turn.want {
					t.Errorf("after %v: got %v, %v", turn.after, key, ok)
				}
				if turn.wake != 0 && !wake.Equal(start.Add(turn.wake)) {
					t.Errorf("after %v: wakes at %v", turn.after, wake.Sub(start))
				}
			}
		})
	}
}
