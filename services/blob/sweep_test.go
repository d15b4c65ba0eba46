package blob_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
)

func put(t *testing.T, s *blob.Store, retention, text string) *mediav1.Blob {
	t.Helper()
	b, err := s.Put(t.Context(), "ada", retention, []byte(text), "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSweepLeavesWhatIsNoBlob(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "file://"+dir)
	put(t, s, blob.Day, "for a day")
	stranger := filepath.Join(dir, "README")
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if removed, err := s.Sweep(t.Context(), time.Now().Add(1e4*time.Hour)); err != nil || removed != 1 {
		t.Errorf("%d were removed, %v", removed, err)
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
