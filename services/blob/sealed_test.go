package blob_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// sealedStore is a store of files and its ring.
func sealedStore(t *testing.T) (*blob.Store, *seal.Ring, string) {
	t.Helper()
	dir, r := t.TempDir(), ring(t)
	s, err := blob.Open(t.Context(), "file://"+dir, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, r, dir
}

func TestFilesTellNothing(t *testing.T) {
	s, _, dir := sealedStore(t)
	b := put(t, s, blob.Week, "a picture of somebody")
	file := only(t, dir, blob.Week)
	data, err := os.ReadFile(file)
	if err != nil || bytes.Contains(data, []byte("somebody")) {
		t.Errorf("the file has %q, %v", data, err)
	}
	if strings.Contains(file, b.GetSha256()) {
		t.Errorf("%s tells the digest", file)
	}
}

func TestMovedFilesAreMissing(t *testing.T) {
	s, _, dir := sealedStore(t)
	b := put(t, s, blob.Week, "a picture")
	file := only(t, dir, blob.Week)
	day := filepath.Join(dir, "ada", blob.Day)
	if err := os.Mkdir(day, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file, filepath.Join(day, filepath.Base(file))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "ada", b); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
		t.Errorf("got %v", err)
	}
}

func TestSavedBytesGoWithTheirKey(t *testing.T) {
	s, r, _ := sealedStore(t)
	of := seal.Scope{Tenant: "ada", Name: "work-7"}
	if err := s.Save(t.Context(), of, "latents", nil); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("without a key got %v", err)
	}
	if _, err := r.Seal(t.Context(), of, seal.Place{}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), of, "latents", []byte("a face")); err != nil {
		t.Fatal(err)
	}
	if data, ok, err := s.Saved(t.Context(), "ada", "latents"); !ok || err != nil || string(data) != "a face" {
		t.Errorf("got %q, %v, %v", data, ok, err)
	}
	if _, err := r.Destroy(t.Context(), of); err != nil {
		t.Fatal(err)
	}
	if data, ok, err := s.Saved(t.Context(), "ada", "latents"); ok || err != nil {
		t.Errorf("got %q, %v", data, err)
	}
	if err := s.Save(t.Context(), of, "latents", nil); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("a late save got %v", err)
	}
}

func TestPicturesGoWithTheirTenantsKey(t *testing.T) {
	s, r, _ := sealedStore(t)
	b := put(t, s, blob.Kept, "a picture")
	if _, err := r.Destroy(t.Context(), seal.Shared("ada")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "ada", b); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
		t.Errorf("got %v", err)
	}
}
