package jobqueue_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestDocumentsAreUpdatedByWhoKnowsThem(t *testing.T) {
	d, _ := documents(t, t.TempDir())
	key := jobqueue.RecordKey{Tenant: "ada", ID: "1"}
	if _, err := d.Update(t.Context(), key, []byte("early"), 1); !errors.Is(err, jobqueue.ErrStale) {
		t.Errorf("one that is not there got %v", err)
	}
	if err := d.Create(t.Context(), key, []byte("first")); err != nil {
		t.Fatal(err)
	}
	first, err := d.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	revision, err := d.Update(t.Context(), key, []byte("second"), first.Revision)
	if err != nil || revision <= first.Revision {
		t.Fatalf("revision %d, %v", revision, err)
	}
	if _, err := d.Update(t.Context(), key, []byte("late"), first.Revision); !errors.Is(err, jobqueue.ErrStale) {
		t.Errorf("an old revision got %v", err)
	}
	second, err := d.Get(t.Context(), key)
	if err != nil || string(second.Value) != "second" || second.Revision != revision {
		t.Errorf("got %+v, %v", second, err)
	}
	gone, err := d.Gone(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if revision, err = d.Update(t.Context(), key, []byte("third"), revision); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
		t.Error("an update is taken for the end")
	default:
	}
	if err := d.Erase(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	<-gone
	if _, err := d.Update(t.Context(), key, []byte("too late"), revision); !errors.Is(err, jobqueue.ErrStale) {
		t.Errorf("an erased one got %v", err)
	}
	if _, err := d.Update(t.Context(), key, make([]byte, jobqueue.MaxRecord+1), revision); err == nil {
		t.Error("there is no limit")
	}
}

func TestSignatures(t *testing.T) {
	q := newHouse(t, quick()).q
	first := q.Sign("a", "b", "c")
	if len(first) != 32 || !bytes.Equal(first, q.Sign("a", "b", "c")) {
		t.Error("a signature differs from itself")
	}
	for name, other := range map[string][]byte{
		"another purpose": q.Sign("x", "b", "c"), "another part": q.Sign("a", "b", "x"), "other bounds": q.Sign("a", "bc"), "one more": q.Sign("a", "b", "c", ""),
	} {
		if bytes.Equal(first, other) {
			t.Errorf("%s: the same signature", name)
		}
	}
}
