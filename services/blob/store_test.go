package blob_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
	"github.com/facestudio/facestudio/services/testkit/blobs"
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

func TestStores(t *testing.T) {
	for name, location := range map[string]func(*testing.T) string{
		"file":   func(t *testing.T) string { t.Helper(); return "file://" + t.TempDir() + "/blobs" },
		"memory": func(*testing.T) string { return "mem://" },
	} {
		t.Run(name, func(t *testing.T) { blobs.Run(t, location) })
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
}

func TestPlacesThatAreNoStore(t *testing.T) {
	for _, location := range []string{"", "s3://ada:secret@bucket", "file://host/dir", "/dir", "%"} {
		t.Run(location, func(t *testing.T) {
			_, err := blob.Open(t.Context(), location, ring(t))
			if !fault.Is(err, faultv1.Reason_REASON_CONFIG_INVALID) {
				t.Fatalf("got %v", err)
			}
			text := err.Error()
			if !strings.Contains(text, "file, mem") || !strings.Contains(text, "cloud/cmd") || strings.Contains(text, "secret") {
				t.Errorf("it says %s", text)
			}
		})
	}
}
