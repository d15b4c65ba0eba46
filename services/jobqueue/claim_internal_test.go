package jobqueue

import (
	"context"
	"errors"
	"testing"
	"time"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// take claims a record without a loop that watches it, so that the claim learns
// of others' writes only by its own. ended tells why the claim's context ended.
func take(t *testing.T, r *Records, key RecordKey, holder string) (claim *Claim, ended func() error) {
	t.Helper()
	w := &recordWorker{r: r, s: WorkSettings{Holder: holder, Lease: time.Hour}, ledger: newLedger(Fairness{}, "")}
	entry, err := r.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	w.ledger.observe(key, entry.Record, entry.Revision, time.Now())
	claim, err = w.take(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancelCause(t.Context())
	t.Cleanup(func() { end(nil) })
	claim.end = end
	return claim, func() error { return context.Cause(ctx) }
}

// open is a real server with a record in it.
func open(t *testing.T, key RecordKey) *Records {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: scratch.Dir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	q, err := Open(t.Context(), nc, Settings{MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	if _, err := q.Records().Create(t.Context(), key, &jobqueuev1.Record{Value: []byte("new")}); err != nil {
		t.Fatal(err)
	}
	return q.Records()
}

func TestFinishIsToldOfACancelThatCameBefore(t *testing.T) {
	key := RecordKey{"ada", "one"}
	r := open(t, key)
	c, ended := take(t, r, key, "first")
	if _, err := r.Cancel(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := c.Finish(t.Context(), []byte("made")); !errors.Is(err, ErrCancelRequested) || !errors.Is(ended(), ErrCancelRequested) {
		t.Errorf("got %v, and the context ended with %v", err, ended())
	}
	if err := c.Finish(t.Context(), []byte("cancelled")); err != nil {
		t.Fatal(err)
	}
	if e, err := r.Get(t.Context(), key); err != nil || string(e.Record.GetValue()) != "cancelled" || !e.Record.GetTerminal() {
		t.Errorf("got %v, %v", e, err)
	}
	if err := c.Update(t.Context(), nil); !errors.Is(err, errFinished) {
		t.Errorf("a write after the end got %v", err)
	}
}

func TestUpdateKeepsACancelThatCameBefore(t *testing.T) {
	key := RecordKey{"ada", "one"}
	r := open(t, key)
	c, ended := take(t, r, key, "first")
	if _, err := r.Cancel(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := c.Update(t.Context(), []byte("half")); err != nil || !errors.Is(ended(), ErrCancelRequested) {
		t.Errorf("got %v, and the context ended with %v", err, ended())
	}
	if e, err := r.Get(t.Context(), key); err != nil || string(e.Record.GetValue()) != "half" || !e.Record.GetCancelRequested() {
		t.Errorf("got %v, %v", e, err)
	}
}

func TestALostLeaseWritesNothing(t *testing.T) {
	key := RecordKey{"ada", "one"}
	r := open(t, key)
	c, ended := take(t, r, key, "first")
	other, _ := take(t, r, key, "other")
	if c.Losses() != 0 || other.Losses() != 1 {
		t.Errorf("%d and %d losses", c.Losses(), other.Losses())
	}
	if other.Attempt() != c.Attempt()+1 {
		t.Errorf("attempt %d follows %d", other.Attempt(), c.Attempt())
	}
	if err := c.Update(t.Context(), []byte("stolen")); !errors.Is(err, ErrLeaseLost) || !errors.Is(ended(), ErrLeaseLost) {
		t.Errorf("got %v, and the context ended with %v", err, ended())
	}
	if err := other.Finish(t.Context(), []byte("by other")); err != nil {
		t.Fatal(err)
	}
	if err := c.Finish(t.Context(), []byte("late")); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("got %v", err)
	}
	if e, err := r.Get(t.Context(), key); err != nil || string(e.Record.GetValue()) != "by other" {
		t.Errorf("got %v, %v", e, err)
	}
}

func TestWhoComesBackWasNotKilled(t *testing.T) {
	key := RecordKey{"ada", "one"}
	r := open(t, key)
	c, _ := take(t, r, key, "first")
	other, _ := take(t, r, key, "other")
	w := &recordWorker{r: r, s: WorkSettings{Lease: time.Second}, jobs: t.Context()}
	w.letGo(c)
	if err := other.Update(t.Context(), []byte("by other")); err != nil {
		t.Fatal(err)
	}
	if other.Losses() != 0 {
		t.Errorf("%d losses", other.Losses())
	}
	// The one that stays away is counted still.
	if third, _ := take(t, r, key, "third"); third.Losses() != 1 || third.Attempt() != 3 || string(third.Value()) != "by other" {
		t.Errorf("%d losses, attempt %d, %q", third.Losses(), third.Attempt(), third.Value())
	}
}

func TestReleasedIsFree(t *testing.T) {
	key := RecordKey{"ada", "one"}
	r := open(t, key)
	c, _ := take(t, r, key, "first")
	if err := c.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e, err := r.Get(t.Context(), key); err != nil || e.Record.GetLease().GetHolder() != "" || e.Record.GetLease().GetAttempt() != 1 {
		t.Errorf("got %v, %v", e, err)
	}
	// Letting go is no loss.
	if next, _ := take(t, r, key, "next"); next.Losses() != 0 || next.Attempt() != 2 {
		t.Errorf("%d losses, attempt %d", next.Losses(), next.Attempt())
	}
}
