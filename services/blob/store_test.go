package blob_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

func ring(t *testing.T) *seal.Ring {
	t.Helper()
	r, err := seal.NewInMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// only is the one file that a store has with a retention.
func only(t *testing.T, dir, retention string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "ada", retention, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	return files[0]
}

func open(t *testing.T, location string) *blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), location, ring(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStoresKeepBytesForTheirTenant(t *testing.T) {
	for name, location := range map[string]string{"file": "file://" + t.TempDir() + "/blobs", "memory": "mem://"} {
		t.Run(name, func(t *testing.T) {
			s := open(t, location)
			data := []byte("a picture")
			b, err := s.Put(t.Context(), "ada", blob.Week, data, "image/png")
			if err != nil {
				t.Fatal(err)
			}
			if b.GetSize() != 9 || b.GetMediaType() != "image/png" || len(b.GetSha256()) != 64 {
				t.Fatalf("got %v", b)
			}
			if _, err := s.Put(t.Context(), "ada", blob.Day, data, "image/png"); err != nil {
				t.Fatalf("the same bytes again: %v", err)
			}
			got, err := s.Get(t.Context(), "ada", b)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("got %q, %v", got, err)
			}
			if _, err := s.Get(t.Context(), "bob", b); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
				t.Fatalf("another tenant got %v", err)
			}
			b.Size++
			if _, err := s.Get(t.Context(), "ada", b); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
				t.Fatalf("a wrong size got %v", err)
			}
		})
	}
}

func TestGetRefusesChangedBytes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, "file://"+dir)
	b, err := s.Put(t.Context(), "ada", blob.Week, []byte("a picture"), "image/png")
	if err != nil {
		t.Fatal(err)
	}
	file := only(t, dir, blob.Week)
	if err := os.WriteFile(file, []byte("b picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "ada", b); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
		t.Fatalf("got %v", err)
	}
}

func TestPicturesAreInlineOrByDigest(t *testing.T) {
	s := open(t, "mem://")
	for name, size := range map[string]int{"inline": blob.InlineSize, "stored": blob.InlineSize + 1} {
		t.Run(name, func(t *testing.T) {
			data := bytes.Repeat([]byte{7}, size)
			p, err := s.PutPicture(t.Context(), "ada", blob.Day, data, "image/png")
			if err != nil {
				t.Fatal(err)
			}
			if inline := p.GetBlob() == nil; inline != (name == "inline") {
				t.Fatalf("inline is %v", inline)
			}
			got, err := s.Picture(t.Context(), "ada", p)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
		})
	}
}

func TestBadNamesAreRefused(t *testing.T) {
	s := open(t, "mem://")
	for name, put := range map[string]struct{ tenant, retention string }{
		"no tenant":         {"", blob.Day},
		"tenant as path":    {"../ada", blob.Day},
		"unknown retention": {"ada", "forever"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Put(t.Context(), put.tenant, put.retention, nil, ""); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
				t.Fatalf("got %v", err)
			}
		})
	}
	if _, err := s.Get(t.Context(), "ada", &mediav1.Blob{Sha256: "../../etc/passwd"}); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Fatalf("a path as digest got %v", err)
	}
	if _, err := s.Picture(t.Context(), "ada", nil); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Fatalf("no picture got %v", err)
	}
	for _, location := range []string{"", "s3://bucket", "file://host/dir", "/dir", "%"} {
		if _, err := blob.Open(t.Context(), location, ring(t)); !fault.Is(err, faultv1.Reason_REASON_CONFIG_INVALID) {
			t.Fatalf("%q got %v", location, err)
		}
	}
}
