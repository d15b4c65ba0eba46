package jobqueue

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

// agenda is a ledger of follow-ups with a clock.
type agenda struct {
	*followUps
	now      time.Time
	revision uint64
}

func (a *agenda) write(id string, up *jobqueuev1.FollowUp) *Entry {
	a.revision++
	e := &Entry{Key: RecordKey{"ada", id}, Record: &jobqueuev1.Record{Terminal: true, FollowUp: up}, Revision: a.revision}
	a.observe(e.Key, e.Record, e.Revision, a.now)
	return e
}

// want claims that the next follow-up is of an id, empty for none, and that one
// may be due after a wait.
func (a *agenda) want(t *testing.T, id string, wait time.Duration) {
	t.Helper()
	key, ok, wake := a.next(a.now)
	if ok != (id != "") || key.ID != id {
		t.Errorf("next is %q, %v; want %q", key.ID, ok, id)
	}
	if !ok && wait > 0 && wake.Sub(a.now) != wait {
		t.Errorf("the next is due in %v, want %v", wake.Sub(a.now), wait)
	}
}

func TestFollowUpsWaitForTheirTimeAndTheirGroup(t *testing.T) {
	a := &agenda{followUps: newFollowUps(2), now: time.Unix(1_000_000, 0)}
	a.want(t, "", 0)
	a.write("later", &jobqueuev1.FollowUp{Group: "slow", NotBefore: timestamppb.New(a.now.Add(time.Minute))})
	a.want(t, "", time.Minute)
	a.now = a.now.Add(time.Minute)
	a.want(t, "later", 0)
	a.hold(RecordKey{"ada", "later"})
	a.write("second", &jobqueuev1.FollowUp{Group: "slow"})
	a.want(t, "second", 0)
	a.hold(RecordKey{"ada", "second"})
	third := a.write("third", &jobqueuev1.FollowUp{Group: "slow"})
	a.want(t, "", 0)
	a.write("other", &jobqueuev1.FollowUp{Group: "quick"})
	a.want(t, "other", 0)
	a.hold(RecordKey{"ada", "other"})
	// One of the slow ones is done: the third has its slot.
	a.letGo(followed{key: RecordKey{"ada", "second"}, at: &Entry{Record: &jobqueuev1.Record{Terminal: true}, Revision: 9}}, a.now)
	a.want(t, "third", 0)
	a.observe(third.Key, &jobqueuev1.Record{Terminal: true}, a.revision+1, a.now) // somebody else did it
	a.want(t, "", 0)
}

func TestAFollowUpIsTakenOverWhenItsWorkerIsSilent(t *testing.T) {
	a := &agenda{followUps: newFollowUps(1), now: time.Unix(1_000_000, 0)}
	a.write("one", &jobqueuev1.FollowUp{Lease: &jobqueuev1.Lease{Holder: "other", DurationMs: 60_000, Attempt: 1}})
	a.want(t, "", time.Minute)
	a.now = a.now.Add(time.Minute)
	a.want(t, "one", 0)
	key := RecordKey{"ada", "one"}
	a.hold(key)
	a.forget(key) // it is held, so that its slot is not lost
	a.letGo(followed{key: key}, a.now)
	a.want(t, "", retryUnknown)
	a.now = a.now.Add(retryUnknown)
	a.want(t, "one", 0)
	a.hold(key)
	a.letGo(followed{key: key, gone: true}, a.now)
	a.want(t, "", 0)
	if len(a.inHand) != 0 || len(a.records) != 0 {
		t.Errorf("left are %v, %v", a.inHand, a.records)
	}
}
