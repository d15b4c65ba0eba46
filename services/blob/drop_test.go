package blob_test

import (
	"context"
	"errors"
	"testing"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
)

func TestDropAsksWhatIsUsed(t *testing.T) {
	s := open(t, "mem://")
	b := put(t, s, blob.Style, "a picture")
	broken := errors.New("no list")
	if _, _, err := s.Drop(t.Context(), "ada", blob.Style, []*mediav1.Blob{b},
		func(context.Context) (func(*mediav1.Blob) bool, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Get(t.Context(), "ada", b); err != nil {
		t.Errorf("it is gone: %v", err)
	}
}
