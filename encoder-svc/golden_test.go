package encoder_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit"
)

// golden is testdata/tiny.json, written by training/facestudio_training/golden
// from Python's own detector, alignment and ONNX Runtime.
type golden struct {
	Tolerance float64
	People    []struct {
		Picture    string
		Box        [4]float32
		Points     map[string][2]float32
		ImageEmbed []float32 `json:"image_embed"`
		FaceEmbed  []float32 `json:"face_embed"`
	}
	Texts []struct {
		Text      string
		TextEmbed []float32 `json:"text_embed"`
	}
}

// Tolerances that the file's origin states beside its own for cosines: pixels
// of boxes and points, and text embeddings, which no picture decoder touches.
const (
	pixelTolerance = 3
	textTolerance  = 1e-4
)

func TestGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	var expected golden
	if err := json.Unmarshal(data, &expected); err != nil {
		t.Fatal(err)
	}
	if len(expected.People) == 0 || len(expected.Texts) == 0 {
		t.Fatal("the golden file is empty")
	}
	c := client(t)
	similar := func(what string, got, want []float32) {
		t.Helper()
		if cosine := tensor.Cosine(got, want); len(got) != len(want) || 1-cosine > expected.Tolerance {
			t.Errorf("%s: cosine %v", what, cosine)
		}
	}
	for _, person := range expected.People {
		photo, err := os.ReadFile(filepath.Join(testkit.Root(t), person.Picture))
		if err != nil {
			t.Fatal(err)
		}
		faces, err := c.EmbedFaces(t.Context(), &encoderv1.EmbedFacesRequest{Photos: []*mediav1.Picture{inline(photo)}})
		if err != nil || faces.GetFaces()[0].GetFault() != nil {
			t.Fatalf("%v, %v", faces, err)
		}
		found := faces.GetFaces()[0]
		box := found.GetFace().GetBox()
		for i, got := range []float32{box.GetX(), box.GetY(), box.GetWidth(), box.GetHeight()} {
			if math.Abs(float64(got-person.Box[i])) > pixelTolerance {
				t.Errorf("%s: box %v, want %v", person.Picture, box, person.Box)
			}
		}
		for _, l := range found.GetFace().GetLandmarks() {
			p, ok := person.Points[l.GetName()]
			if ok && math.Hypot(float64(l.GetPoint().GetX()-p[0]), float64(l.GetPoint().GetY()-p[1])) > pixelTolerance {
				t.Errorf("%s: %s at %v, want %v", person.Picture, l.GetName(), l.GetPoint(), p)
			}
		}
		similar(person.Picture+" face", read(t, found.GetEmbedding()), person.FaceEmbed)
		images, err := c.EmbedImages(t.Context(), &encoderv1.EmbedImagesRequest{Images: []*encoderv1.ImageToEmbed{
			{Picture: inline(photo), Faces: []*mediav1.Box{{X: person.Box[0], Y: person.Box[1], Width: person.Box[2], Height: person.Box[3]}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		similar(person.Picture+" image", read(t, images.GetEmbeddings()), person.ImageEmbed)
	}
	for _, text := range expected.Texts {
		out, err := c.EmbedTexts(t.Context(), &encoderv1.EmbedTextsRequest{Texts: []string{text.Text}})
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range read(t, out.GetEmbeddings()) {
			if math.Abs(float64(got-text.TextEmbed[i])) > textTolerance {
				t.Fatalf("%q: element %d is %v, want %v", text.Text, i, got, text.TextEmbed[i])
			}
		}
	}
}

func read(t *testing.T, m *mediav1.Tensor) []float32 {
	t.Helper()
	values, err := tensor.FromProto(m)
	if err != nil {
		t.Fatal(err)
	}
	return values.Data
}
