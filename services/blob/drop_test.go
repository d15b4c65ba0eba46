package blob_test

import (
	"context"
	"errors"
	"testing"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
)

func TestDropLeavesWhatIsUsed(t *testing.T) {
	s := open(t, "file://"+t.TempDir())
	put := func(text string) *mediav1.Blob {
		t.Helper()
		b, err := s.Put(t.Context(), "ada", blob.Style, []byte(text), "image/png")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	used, free, anew := put("used"), put("free"), put("stored anew")
	dropped, kept, err := s.Drop(t.Context(), "ada", blob.Style, []*mediav1.Blob{used, free, free, anew},
		func(context.Context) (func(*mediav1.Blob) bool, error) {
			put("stored anew")
			return func(b *mediav1.Blob) bool { return b.GetSha256() == used.GetSha256() }, nil
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
	broken := errors.New("no list")
	if _, _, err := s.Drop(t.Context(), "ada", blob.Style, []*mediav1.Blob{used},
		func(context.Context) (func(*mediav1.Blob) bool, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
