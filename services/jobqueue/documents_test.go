package jobqueue_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

func documents(t *testing.T, dir string) (*jobqueue.Documents, *nats.Conn) {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	q, err := jobqueue.Open(t.Context(), nc, jobqueue.Settings{MaxBytes: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	d, err := q.Documents(t.Context(), "things")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Documents(t.Context(), "things"); err != nil {
		t.Fatalf("open the bucket that is there: %v", err)
	}
	return d, nc
}

// stored is the last message of a subject, as it lies in its stream.
func stored(t *testing.T, nc *nats.Conn, stream, subject string) string {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := s.GetLastMsgForSubject(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return string(msg.Data)
}

func TestDocumentsAreKeptForTheirTenant(t *testing.T) {
	d, _ := documents(t, t.TempDir())
	ada := jobqueue.RecordKey{Tenant: "ada", ID: "1"}
	if err := d.Create(t.Context(), ada, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := d.Create(t.Context(), ada, []byte("second")); !errors.Is(err, jobqueue.ErrExists) {
		t.Errorf("a second one got %v", err)
	}
	got, err := d.Get(t.Context(), ada)
	if err != nil || string(got.Value) != "first" || got.Key != ada || got.CreateTime.IsZero() {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := d.Get(t.Context(), jobqueue.RecordKey{Tenant: "bob", ID: "1"}); !errors.Is(err, jobqueue.ErrNotFound) {
		t.Errorf("another tenant got %v", err)
	}
	for tenant, want := range map[string]int{"ada": 1, "bob": 0} {
		if list, err := d.List(t.Context(), tenant); err != nil || len(list) != want {
			t.Errorf("%s has %d, %v", tenant, len(list), err)
		}
	}
	if err := d.Create(t.Context(), jobqueue.RecordKey{Tenant: "bob", ID: "1"}, []byte("third")); err != nil {
		t.Fatal(err)
	}
	if all, err := d.All(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("there are %d in all, %v", len(all), err)
	}
	for name, key := range map[string]jobqueue.RecordKey{"no tenant": {ID: "1"}, "a wild one": {Tenant: "*", ID: ">"}} {
		if err := d.Create(t.Context(), key, nil); err == nil {
			t.Errorf("%s is a key", name)
		}
	}
	if _, err := d.List(t.Context(), ">"); err == nil {
		t.Error("all tenants can be listed")
	}
	if err := d.Create(t.Context(), jobqueue.RecordKey{Tenant: "ada", ID: "2"}, make([]byte, jobqueue.MaxRecord+1)); err == nil {
		t.Error("there is no limit")
	}
}

// onDisk tells whether the folder has the text in any file.
func onDisk(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			var data []byte
			data, err = os.ReadFile(path)
			found = found || bytes.Contains(data, []byte(text))
		}
		// The server makes files anew, and takes away those before them.
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestErasedDocumentsAreOverwritten(t *testing.T) {
	const secret = "the embedding of somebody's face"
	dir := scratch.Dir(t)
	d, nc := documents(t, dir)
	key, other := jobqueue.RecordKey{Tenant: "ada", ID: "1"}, jobqueue.RecordKey{Tenant: "ada", ID: "2"}
	for _, k := range []jobqueue.RecordKey{key, other} {
		if err := d.Create(t.Context(), k, []byte(secret+k.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if onDisk(t, dir, secret) {
		t.Error("the document is in the files in the clear")
	}
	sealed, wrapped := stored(t, nc, "KV_things", "$KV.things.ada.1"), stored(t, nc, "KV_data-keys", "$KV.data-keys.ada.things-1")
	if !onDisk(t, dir, sealed) || !onDisk(t, dir, wrapped) {
		t.Fatal("the document cannot be seen in the files, so that this test says nothing")
	}
	gone, err := d.Gone(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
		t.Fatal("it is said to be gone")
	default:
	}
	if err := d.Erase(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	<-gone
	if onDisk(t, dir, sealed) || onDisk(t, dir, wrapped) {
		t.Error("the bytes are still in the files")
	}
	if _, err := d.Get(t.Context(), key); !errors.Is(err, jobqueue.ErrNotFound) {
		t.Errorf("get after erase: %v", err)
	}
	if err := d.Erase(t.Context(), key); !errors.Is(err, jobqueue.ErrNotFound) {
		t.Errorf("erase again: %v", err)
	}
	list, err := d.List(t.Context(), "ada")
	if err != nil || len(list) != 1 || string(list[0].Value) != secret+"2" {
		t.Errorf("left are %v, %v", list, err)
	}
	if err := d.Create(t.Context(), key, []byte("again")); err != nil {
		t.Errorf("create after erase: %v", err)
	}
	never, err := d.Gone(t.Context(), jobqueue.RecordKey{Tenant: "ada", ID: "3"})
	if err != nil {
		t.Fatal(err)
	}
	<-never
}
