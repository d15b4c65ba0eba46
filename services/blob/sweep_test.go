package blob_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
)

func put(t *testing.T, s *blob.Store, retention, text string) *mediav1.Blob {
	t.Helper()
	b, err := s.Put(t.Context(), "ada", retention, []byte(text), "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDeleteRemovesOneRetention(t *testing.T) {
	s := open(t, "mem://")
	b := put(t, s, blob.Day, "a picture")
	put(t, s, blob.Week, "a picture")
	for range 2 {
		if err := s.Delete(t.Context(), "ada", blob.Day, b); err != nil {
			t.Fatal(err)
		}
	}
	if _, there, err := s.Stored(t.Context(), "ada", blob.Day, b); there || err != nil {
		t.Errorf("it is there: %v, %v", there, err)
	}
	if _, err := s.Get(t.Context(), "ada", b); err != nil {
		t.Errorf("the other retention is gone: %v", err)
	}
	if err := s.Delete(t.Context(), "ada", blob.Week, b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "ada", b); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
		t.Errorf("got %v", err)
	}
	if err := s.Delete(t.Context(), "ada", blob.Day, &mediav1.Blob{Sha256: "../x"}); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("a path as digest got %v", err)
	}
}

func TestSweepRemovesWhatHasExpired(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "file://"+dir)
	day, week := put(t, s, blob.Day, "for a day"), put(t, s, blob.Week, "for a week")
	kept := put(t, s, blob.Kept, "for as long as its owner")
	stranger := filepath.Join(dir, "README")
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		after   time.Duration
		removed int
	}{{23 * time.Hour, 0}, {25 * time.Hour, 1}, {6 * 24 * time.Hour, 0}, {8 * 24 * time.Hour, 1}, {1e4 * time.Hour, 0}}
	for _, step := range steps {
		removed, err := s.Sweep(t.Context(), time.Now().Add(step.after))
		if err != nil || removed != step.removed {
			t.Errorf("after %v %d were removed, want %d; %v", step.after, removed, step.removed, err)
		}
	}
	for _, b := range []*mediav1.Blob{day, week} {
		if _, err := s.Get(t.Context(), "ada", b); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := s.Get(t.Context(), "ada", kept); err != nil {
		t.Errorf("what its owner keeps is gone: %v", err)
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Errorf("what is no blob was removed: %v", err)
	}
}

func TestStoringAgainRenews(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "file://"+dir)
	b := put(t, s, blob.Day, "a picture")
	old := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(only(t, dir, blob.Day), old, old); err != nil {
		t.Fatal(err)
	}
	put(t, s, blob.Day, "a picture")
	if removed, err := s.Sweep(t.Context(), time.Now()); err != nil || removed != 0 {
		t.Errorf("%d were removed, %v", removed, err)
	}
	if at, there, err := s.Stored(t.Context(), "ada", blob.Day, b); !there || err != nil || time.Since(at) > time.Hour {
		t.Errorf("stored at %v, %v, %v", at, there, err)
	}
}
