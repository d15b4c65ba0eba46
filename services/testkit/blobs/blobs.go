// Package blobs tests what a blob store promises, whatever keeps its bytes.
package blobs

import (
	"bytes"
	"context"
	"testing"
	"time"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
	"github.com/facestudio/facestudio/services/testkit"
)

// Run runs the tests, each with a store of its own at the URL of a new, empty
// place.
func Run(t *testing.T, location func(*testing.T) string) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *blob.Store){
		"keeps bytes for their tenant":          keeps,
		"deletes one retention":                 deletes,
		"sweeps what has expired":               sweeps,
		"tells when it was stored":              tellsWhen,
		"drops what nobody uses":                drops,
		"saves by name":                         saves,
		"refuses what is larger than it may be": refuses,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := blob.Open(t.Context(), location(t), testkit.Ring(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, s)
		})
	}
}

func put(t *testing.T, s *blob.Store, retention, text string) *mediav1.Blob {
	t.Helper()
	b, err := s.Put(t.Context(), "ada", retention, []byte(text), "image/png")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func missing(t *testing.T, s *blob.Store, tenant string, b *mediav1.Blob) {
	t.Helper()
	if _, err := s.Get(t.Context(), tenant, b); !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
		t.Errorf("%s got %v", tenant, err)
	}
}

func keeps(t *testing.T, s *blob.Store) {
	t.Helper()
	// Larger than what S3 takes in one part.
	data := bytes.Repeat([]byte("a picture "), 1<<20)
	b := put(t, s, blob.Week, string(data))
	if b.GetSize() != int64(len(data)) || b.GetMediaType() != "image/png" || len(b.GetSha256()) != 64 {
		t.Fatalf("got %v", b)
	}
	put(t, s, blob.Day, string(data))
	got, err := s.Get(t.Context(), "ada", b)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
	missing(t, s, "bob", b)
	b.Size++
	missing(t, s, "ada", b)
}

func deletes(t *testing.T, s *blob.Store) {
	t.Helper()
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
	missing(t, s, "ada", b)
}

func sweeps(t *testing.T, s *blob.Store) {
	t.Helper()
	day, week := put(t, s, blob.Day, "for a day"), put(t, s, blob.Week, "for a week")
	kept := put(t, s, blob.Kept, "for as long as its owner")
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
	missing(t, s, "ada", day)
	missing(t, s, "ada", week)
	if _, err := s.Get(t.Context(), "ada", kept); err != nil {
		t.Errorf("what its owner keeps is gone: %v", err)
	}
}

func tellsWhen(t *testing.T, s *blob.Store) {
	t.Helper()
	b := &mediav1.Blob{Sha256: put(t, s, blob.Day, "another").GetSha256()}
	if at, there, err := s.Stored(t.Context(), "ada", blob.Day, b); !there || err != nil || time.Since(at).Abs() > time.Hour {
		t.Errorf("stored at %v, %v, %v", at, there, err)
	}
	var versions []string
	for range 2 {
		put(t, s, blob.Day, "another")
		version, err := s.Version(t.Context(), "ada", blob.Day, b)
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, version)
	}
	if versions[0] == "" || versions[0] == versions[1] {
		t.Errorf("the versions are %q", versions)
	}
	if version, err := s.Version(t.Context(), "ada", blob.Week, b); version != "" || err != nil {
		t.Errorf("what is not there has version %q, %v", version, err)
	}
}

func drops(t *testing.T, s *blob.Store) {
	t.Helper()
	used, free, anew := put(t, s, blob.Style, "used"), put(t, s, blob.Style, "free"), put(t, s, blob.Style, "stored anew")
	dropped, kept, err := s.Drop(t.Context(), "ada", blob.Style, []*mediav1.Blob{used, free, free, anew},
		func(ctx context.Context) (func(*mediav1.Blob) bool, error) {
			_, err := s.Put(ctx, "ada", blob.Style, []byte("stored anew"), "image/png")
			return func(b *mediav1.Blob) bool { return b.GetSha256() == used.GetSha256() }, err
		})
	if err != nil || len(dropped) != 1 || dropped[0] != free || len(kept) != 2 {
		t.Fatalf("dropped %v, kept %v, %v", dropped, kept, err)
	}
	for b, want := range map[*mediav1.Blob]bool{used: true, free: false, anew: true} {
		data, there, err := s.Load(t.Context(), "ada", blob.Style, b.GetSha256())
		if err != nil || there != want || there && len(data) != int(b.GetSize()) {
			t.Errorf("%v is there: %t, %v", b, there, err)
		}
	}
}

func saves(t *testing.T, s *blob.Store) {
	t.Helper()
	has := func(tenant, name, want string) {
		t.Helper()
		data, ok, err := s.Saved(t.Context(), tenant, name)
		if err != nil || ok != (want != "") || string(data) != want {
			t.Errorf("%s has %q of %s: %v, want %q", tenant, data, name, err, want)
		}
	}
	save := func(text string) {
		t.Helper()
		if err := s.Save(t.Context(), seal.Shared("a"), "work/1", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	has("a", "work/1", "")
	for _, text := range []string{"first", "second, and longer"} {
		save(text)
		has("a", "work/1", text)
	}
	has("a", "work/2", "")
	has("b", "work/1", "")
	for after, want := range []int{0, 1} {
		n, err := s.Sweep(t.Context(), time.Now().Add(time.Duration(23+2*after)*time.Hour))
		if n != want || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
	}
	has("a", "work/1", "")
	save("third")
	for range 2 {
		if err := s.Forget(t.Context(), "a", "work/1"); err != nil {
			t.Fatal(err)
		}
		has("a", "work/1", "")
	}
	if err := s.Save(t.Context(), seal.Shared("../a"), "work", nil); err == nil {
		t.Error("a tenant that leaves its folder was accepted")
	}
}

func refuses(t *testing.T, s *blob.Store) {
	t.Helper()
	if _, err := s.Put(t.Context(), "ada", blob.Day, make([]byte, blob.MaxSize+1), ""); !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
		t.Errorf("got %v", err)
	}
}
