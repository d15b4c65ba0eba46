package jobqueue_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/jobqueue"
)

// update replaces the value of a record that nobody else changes.
func update(t *testing.T, r *jobqueue.Records, key jobqueue.RecordKey, revision uint64, value string) uint64 {
	t.Helper()
	revision, err := r.Update(t.Context(), key, record(value), revision)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// awaitValue reads a watch until it tells a value.
func awaitValue(t *testing.T, watch <-chan *jobqueue.Entry, value string) {
	t.Helper()
	last := uint64(0)
	for {
		e := receive(t, watch)
		if e == nil {
			t.Fatal("the watch ended")
		}
		if e.Revision <= last {
			t.Fatalf("revision %d after %d", e.Revision, last)
		}
		if last = e.Revision; string(e.Record.GetValue()) == value {
			return
		}
	}
}

// However many watch, and however many records, the server has one consumer for them,
// and each is told of its own record alone.
func TestWatchesShareAConsumer(t *testing.T) {
	h := newHouse(t, quick())
	r := h.q.Records()
	var keys []jobqueue.RecordKey
	var revisions []uint64
	var watches []<-chan *jobqueue.Entry
	for i := range 20 {
		key := jobqueue.RecordKey{Tenant: "ada", ID: strconv.Itoa(i)}
		keys, revisions = append(keys, key), append(revisions, create(t, r, key, record("a")))
		for range 2 {
			watch, err := r.Watch(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			watches = append(watches, watch)
		}
	}
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	records, err := js.Stream(t.Context(), "KV_records")
	if err != nil {
		t.Fatal(err)
	}
	info, err := records.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.State.Consumers != 1 {
		t.Errorf("%d watches are %d consumers", len(watches), info.State.Consumers)
	}
	for i, key := range keys {
		update(t, r, key, revisions[i], key.ID)
	}
	for i, watch := range watches {
		for _, want := range []string{"a", keys[i/2].ID} {
			if e := receive(t, watch); e.Key != keys[i/2] || string(e.Record.GetValue()) != want {
				t.Errorf("watch %d of %s was told %q of %s", i, keys[i/2].ID, e.Record.GetValue(), e.Key.ID)
			}
		}
	}
}

// Who does not read keeps nobody from being told, and is told in the end what is there.
func TestAWatchThatIsBehindIsToldWhatIsThere(t *testing.T) {
	h := newHouse(t, quick())
	r, key, other := h.q.Records(), jobqueue.RecordKey{Tenant: "ada", ID: "one"}, jobqueue.RecordKey{Tenant: "ada", ID: "two"}
	revision, beside := create(t, r, key, record("a")), create(t, r, other, record("a"))
	slow, err := r.Watch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	quick, err := r.Watch(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	const changes = 600
	for i := range changes {
		revision = update(t, r, key, revision, strconv.Itoa(i))
	}
	update(t, r, other, beside, "b")
	awaitValue(t, quick, "b")
	awaitValue(t, slow, strconv.Itoa(changes-1))
}

// What happened while the connection was away is told after it.
func TestWatchesOutliveReconnections(t *testing.T) {
	h := newHouse(t, quick())
	r, key := h.q.Records(), jobqueue.RecordKey{Tenant: "ada", ID: "one"}
	revision := create(t, r, key, record("a"))
	watcher, nc := h.open(quick(), nats.ReconnectWait(20*time.Millisecond))
	watch, err := watcher.Records().Watch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		if i%20 == 10 {
			if err := nc.ForceReconnect(); err != nil {
				t.Fatal(err)
			}
		}
		revision = update(t, r, key, revision, strconv.Itoa(i))
	}
	awaitValue(t, watch, "59")
}

// A watch ends with its connection.
func TestWatchesEndWithTheirConnection(t *testing.T) {
	h := newHouse(t, quick())
	key := jobqueue.RecordKey{Tenant: "ada", ID: "one"}
	create(t, h.q.Records(), key, record("a"))
	watcher, nc := h.open(quick())
	watch, err := watcher.Records().Watch(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	receive(t, watch)
	nc.Close()
	if e, open := <-watch; open {
		t.Errorf("got %v", e)
	}
	if _, err := watcher.Records().Watch(t.Context(), key); err == nil {
		t.Error("a watch begins without a connection")
	}
}
