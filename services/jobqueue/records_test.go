package jobqueue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func record(value string) *jobqueuev1.Record { return &jobqueuev1.Record{Value: []byte(value)} }

func create(tb testing.TB, r *jobqueue.Records, key jobqueue.RecordKey, rec *jobqueuev1.Record) uint64 {
	tb.Helper()
	revision, err := r.Create(tb.Context(), key, rec)
	if err != nil {
		tb.Fatal(err)
	}
	return revision
}

// workOn runs a worker of records until the test ends or stop is called.
func workOn(tb testing.TB, r *jobqueue.Records, s jobqueue.WorkSettings, do func(context.Context, *jobqueue.Claim) error) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Work(ctx, s, do) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("the worker ended with %v", err)
		}
	})
	tb.Cleanup(stop)
	return stop
}

func TestRecordsAreChangedByCompareAndSet(t *testing.T) {
	h := newHouse(t, quick())
	r, key := h.q.Records(), jobqueue.RecordKey{Tenant: "ada", ID: "one"}
	if _, err := r.Get(t.Context(), key); !errors.Is(err, jobqueue.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	revision := create(t, r, key, record("a"))
	if _, err := r.Create(t.Context(), key, record("b")); !errors.Is(err, jobqueue.ErrExists) {
		t.Fatalf("got %v", err)
	}
	entry, err := r.Get(t.Context(), key)
	if err != nil || entry.Revision != revision || string(entry.Record.GetValue()) != "a" ||
		entry.Record.GetTenant() != "ada" || entry.Record.GetClass() != jobqueue.Interactive || entry.Record.GetCreateTime() == nil {
		t.Fatalf("got %v, %v", entry, err)
	}
	if _, err := r.Update(t.Context(), key, record("c"), revision); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Update(t.Context(), key, record("d"), revision); !errors.Is(err, jobqueue.ErrStale) {
		t.Fatalf("got %v", err)
	}
	if _, err := r.Get(t.Context(), jobqueue.RecordKey{Tenant: "a.b", ID: "one"}); fault.From(err).Kind != fault.Invalid {
		t.Fatalf("got %v", err)
	}
}

func TestListIsOfOneTenantTheNewestFirst(t *testing.T) {
	h := newHouse(t, quick())
	for i := range 3 {
		rec := record("")
		rec.CreateTime = timestamppb.New(time.Unix(int64(i), 0))
		create(t, h.q.Records(), jobqueue.RecordKey{Tenant: "ada", ID: fmt.Sprint("r", i)}, rec)
	}
	create(t, h.q.Records(), jobqueue.RecordKey{Tenant: "bob", ID: "r9"}, record(""))
	list, err := h.q.Records().List(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, 0, len(list))
	for _, e := range list {
		ids = append(ids, e.Key.ID)
	}
	if !slices.Equal(ids, []string{"r2", "r1", "r0"}) {
		t.Errorf("got %v", ids)
	}
}

func TestUnendedLeavesOutWhatHasEnded(t *testing.T) {
	h := newHouse(t, quick())
	r, over := h.q.Records(), jobqueue.RecordKey{Tenant: "ada", ID: "over"}
	ended := record("b")
	ended.Terminal = true
	update := create(t, r, over, record("a"))
	if _, err := r.Update(t.Context(), over, ended, update); err != nil {
		t.Fatal(err)
	}
	create(t, r, jobqueue.RecordKey{Tenant: "ada", ID: "waits"}, record("c"))
	create(t, r, jobqueue.RecordKey{Tenant: "bob", ID: "waits"}, record("d"))
	list, err := r.Unended(t.Context(), "ada")
	if err != nil || len(list) != 1 || string(list[0].Record.GetValue()) != "c" {
		t.Errorf("got %v, %v", list, err)
	}
}

func TestTerminalRecordsExpire(t *testing.T) {
	s := quick()
	s.RecordTTL = 3 * time.Second
	h := newHouse(t, s)
	r, key := h.q.Records(), jobqueue.RecordKey{Tenant: "ada", ID: "one"}
	create(t, r, key, record("a"))
	watch, err := r.Watch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	receive(t, watch)
	workOn(t, r, jobqueue.WorkSettings{}, func(ctx context.Context, c *jobqueue.Claim) error {
		return c.Finish(ctx, []byte("done"))
	})
	if e := receive(t, watch); !e.Record.GetTerminal() || string(e.Record.GetValue()) != "done" {
		t.Fatalf("got %v", e)
	}
	// The watch ends when the record is dropped.
	if e, open := <-watch; open {
		t.Fatalf("got %v", e)
	}
	if _, err := r.Get(t.Context(), key); !errors.Is(err, jobqueue.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

func TestNewsReachThoseWhoListen(t *testing.T) {
	h := newHouse(t, quick())
	key := jobqueue.RecordKey{Tenant: "ada", ID: "one"}
	topic := h.q.Progress(key)
	if err := topic.Publish([]byte("early")); err == nil {
		t.Error("there is news of a record that is not there")
	}
	if _, err := h.q.Records().Create(t.Context(), key, record("new")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	news, err := topic.Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := h.open(quick())
	if err := other.Progress(key).Publish([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, news); string(got) != "half" {
		t.Errorf("got %q", got)
	}
	cancel()
	if _, open := <-news; open {
		t.Error("the channel is open")
	}
}
