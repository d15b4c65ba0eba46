package encoder_test

import (
	"slices"
	"testing"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/testkit"
)

func TestEmbedAllFaces(t *testing.T) {
	c := client(t)
	examples := testkit.ExampleFaces(t)
	one, two := decode(t, examples[0]), decode(t, examples[1])
	all := func(data []byte) []*encoderv1.EmbeddedFace {
		t.Helper()
		out, err := c.EmbedAllFaces(t.Context(), &encoderv1.EmbedAllFacesRequest{Picture: inline(data)})
		if err != nil {
			t.Fatal(err)
		}
		return out.GetFaces()
	}
	if faces := all(encode(t, imaging.NewRGB(64, 64))); len(faces) != 0 {
		t.Errorf("%d faces on nothing", len(faces))
	}
	small := imaging.Resize(two, 100, 100)
	tiny := imaging.Resize(two, 36, 36)
	faces := all(encode(t, collage(400, 160, small, one, tiny)))
	if len(faces) < 2 {
		t.Fatalf("%d faces", len(faces))
	}
	if faces[0].GetFace().GetBox().GetWidth() <= faces[1].GetFace().GetBox().GetWidth() {
		t.Error("the largest is not the first")
	}
	for i, f := range faces {
		if tooSmall := min(f.GetFace().GetBox().GetWidth(), f.GetFace().GetBox().GetHeight()) < 32; tooSmall != (f.GetEmbedding() == nil) {
			t.Errorf("face %d of %v has %d bytes of embedding", i, f.GetFace().GetBox(), len(f.GetEmbedding().GetData()))
		}
		if reason := f.GetFault().GetReason(); f.GetEmbedding() == nil && reason != faultv1.Reason_REASON_FACE_TOO_SMALL {
			t.Errorf("face %d: %v", i, f.GetFault())
		}
	}
	// Alone and largest, a face is embedded as by EmbedFaces.
	out, err := c.EmbedFaces(t.Context(), &encoderv1.EmbedFacesRequest{Photos: []*mediav1.Picture{inline(examples[0])}})
	if err != nil {
		t.Fatal(err)
	}
	alone := all(examples[0])
	if len(alone) != 1 || !slices.Equal(alone[0].GetEmbedding().GetData(), out.GetFaces()[0].GetEmbedding().GetData()) {
		t.Errorf("%d faces, or another embedding", len(alone))
	}
	_, err = c.EmbedAllFaces(t.Context(), &encoderv1.EmbedAllFacesRequest{Picture: inline([]byte("no picture"))})
	if f := fault.From(err); f.Reason != faultv1.Reason_REASON_UNSUPPORTED_IMAGE || f.Field != "picture" {
		t.Errorf("no picture: %v", err)
	}
	_, err = c.EmbedAllFaces(t.Context(), &encoderv1.EmbedAllFacesRequest{Bundle: "other", Picture: inline(examples[0])})
	if !fault.Is(err, faultv1.Reason_REASON_BUNDLE_MISMATCH) {
		t.Errorf("another bundle: %v", err)
	}
}
