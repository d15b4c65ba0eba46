package jobqueue

import (
	"testing"
	"time"
)

// An end whose note was written, and the answer lost, counts once.
func TestAnEndIsNotedOnce(t *testing.T) {
	r := open(t, RecordKey{"ada", "one"})
	j := &job{s: &Server{q: r.q}, noted: true, attempt: 1, queued: time.Now(), sequence: 7}
	for range 2 {
		if err := j.noteFailed(t.Context()); err != nil {
			t.Fatal(err)
		}
		note, _, err := j.attempts(t.Context())
		if j.attempt == 1 {
			// The first delivery reads no note.
			j.attempt = 2
			note, _, err = j.attempts(t.Context())
		}
		if err != nil || note.GetFailed() != 1 {
			t.Fatalf("got %v, %v", note, err)
		}
		j.unsure = note
	}
}
