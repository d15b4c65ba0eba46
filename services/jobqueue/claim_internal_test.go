package jobqueue

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
)

// take claims a record without a loop that watches it, so that the claim learns
// of others' writes only by its own.
func take(t *testing.T, r *Records, key RecordKey, holder string) (*Claim, context.Context) {
	t.Helper()
	w := &recordWorker{r: r, s: WorkSettings{Holder: holder, Lease: time.Hour}, ledger: newLedger()}
	entry, err := r.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	w.ledger.observe(key, entry.Record, entry.Revision, time.Now())
	claim, err := w.take(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancelCause(t.Context())
	t.Cleanup(func() { end(nil) })
	claim.end = end
	return claim, ctx
}

func TestClaimsLearnFromTheirOwnWrites(t *testing.T) {
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	q, err := Open(t.Context(), nc, Settings{MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	r := q.Records()
	for name, test := range map[string]func(*testing.T, RecordKey, *Claim, context.Context){
		"a cancel comes before the finish": func(t *testing.T, key RecordKey, c *Claim, ctx context.Context) {
			if _, err := r.Cancel(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			if err := c.Finish(t.Context(), []byte("made")); !errors.Is(err, ErrCancelRequested) || !errors.Is(context.Cause(ctx), ErrCancelRequested) {
				t.Errorf("got %v, and the context ended with %v", err, context.Cause(ctx))
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
		},
		"a cancel comes before an update": func(t *testing.T, key RecordKey, c *Claim, ctx context.Context) {
			if _, err := r.Cancel(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			if err := c.Update(t.Context(), []byte("half")); err != nil || !errors.Is(context.Cause(ctx), ErrCancelRequested) {
				t.Errorf("got %v, and the context ended with %v", err, context.Cause(ctx))
			}
			if e, err := r.Get(t.Context(), key); err != nil || string(e.Record.GetValue()) != "half" || !e.Record.GetCancelRequested() {
				t.Errorf("got %v, %v", e, err)
			}
		},
		"somebody else takes over": func(t *testing.T, key RecordKey, c *Claim, ctx context.Context) {
			other, _ := take(t, r, key, "other")
			if other.Attempt() != c.Attempt()+1 {
				t.Errorf("attempt %d follows %d", other.Attempt(), c.Attempt())
			}
			if err := c.Update(t.Context(), []byte("stolen")); !errors.Is(err, ErrLeaseLost) || !errors.Is(context.Cause(ctx), ErrLeaseLost) {
				t.Errorf("got %v, and the context ended with %v", err, context.Cause(ctx))
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
		},
		"released is free": func(t *testing.T, key RecordKey, c *Claim, _ context.Context) {
			if err := c.release(t.Context()); err != nil {
				t.Fatal(err)
			}
			if e, err := r.Get(t.Context(), key); err != nil || e.Record.GetLease().GetHolder() != "" || e.Record.GetLease().GetAttempt() != 1 {
				t.Errorf("got %v, %v", e, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			key := RecordKey{"ada", strings.ReplaceAll(name, " ", "-")}
			if _, err := r.Create(t.Context(), key, &jobqueuev1.Record{Value: []byte("new")}); err != nil {
				t.Fatal(err)
			}
			c, ctx := take(t, r, key, "first")
			test(t, key, c, ctx)
		})
	}
}
