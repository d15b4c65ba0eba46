package encoder_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	encoder "github.com/facestudio/facestudio/encoder-svc"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/stage"
)

func client(t *testing.T) encoderv1.EncoderServiceClient {
	t.Helper()
	return encoderv1.NewEncoderServiceClient(stage.Dial(t, stage.Build(t, encoder.Build, stage.Env(t))))
}

func inline(data []byte) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}
}

func decode(t *testing.T, data []byte) *imaging.RGB {
	t.Helper()
	p, err := imaging.Decode(data, imaging.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func encode(t *testing.T, p *imaging.RGB) []byte {
	t.Helper()
	data, err := imaging.EncodePNG(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// collage puts pictures on a grey canvas, side by side in the middle.
func collage(w, h int, parts ...*imaging.RGB) *imaging.RGB {
	canvas := imaging.NewRGB(w, h)
	for i := range canvas.Pix {
		canvas.Pix[i] = 120
	}
	width := 0
	for _, p := range parts {
		width += p.W
	}
	left := (w - width) / 2
	for _, p := range parts {
		top := (h - p.H) / 2
		for y := range p.H {
			copy(canvas.Pix[3*((top+y)*w+left):], p.Pix[3*y*p.W:3*(y+1)*p.W])
		}
		left += p.W
	}
	return canvas
}

func TestDetectFaces(t *testing.T) {
	c := client(t)
	example := decode(t, testkit.ExampleFace(t))
	reference, err := c.DetectFaces(t.Context(), &encoderv1.DetectFacesRequest{Picture: inline(testkit.ExampleFace(t))})
	if err != nil || len(reference.GetFaces()) != 1 {
		t.Fatalf("%v, %v", reference, err)
	}
	want := reference.GetFaces()[0]
	if want.GetScore() < 0.5 || len(want.GetLandmarks()) != 6 || want.GetLandmarks()[0].GetName() != "right_eye" {
		t.Errorf("face %v", want)
	}
	// The same face is found at its place in pictures of any size and aspect.
	for name, test := range map[string]struct {
		w, h int
		side int // of the example in it
	}{
		"enlarged": {500, 500, 500}, "wide": {600, 150, 128}, "tall": {160, 700, 128}, "small in a large one": {900, 700, 100},
	} {
		t.Run(name, func(t *testing.T) {
			p := collage(test.w, test.h, imaging.Resize(example, test.side, test.side))
			got, err := c.DetectFaces(t.Context(), &encoderv1.DetectFacesRequest{Picture: inline(encode(t, p))})
			if err != nil || len(got.GetFaces()) != 1 || got.GetWidth() != int32(test.w) || got.GetHeight() != int32(test.h) {
				t.Fatalf("%v, %v", got, err)
			}
			scale := float64(test.side) / float64(example.W)
			left, top := float64(test.w-test.side)/2, float64(test.h-test.side)/2
			for i, l := range got.GetFaces()[0].GetLandmarks()[:4] {
				w := want.GetLandmarks()[i].GetPoint()
				dx := float64(l.GetPoint().GetX()) - (float64(w.GetX())*scale + left)
				dy := float64(l.GetPoint().GetY()) - (float64(w.GetY())*scale + top)
				if distance := math.Hypot(dx, dy); distance > 0.04*float64(test.side) {
					t.Errorf("%s is %.1f pixels off", l.GetName(), distance)
				}
			}
		})
	}
}

func TestEmbedFacesVerdicts(t *testing.T) {
	c := client(t)
	examples := testkit.ExampleFaces(t)
	one, two := decode(t, examples[0]), decode(t, examples[1])
	noise := imaging.NewRGB(128, 128)
	for i := range noise.Pix {
		noise.Pix[i] = uint8(i * i >> 7)
	}
	cases := []struct {
		name string
		data []byte
		want faultv1.Reason // 0: it can be used
	}{
		{"a face", examples[0], 0},
		{"no picture", []byte("hello"), faultv1.Reason_REASON_UNSUPPORTED_IMAGE},
		{"truncated", examples[0][:len(examples[0])/2], faultv1.Reason_REASON_UNSUPPORTED_IMAGE},
		{"empty", []byte{}, faultv1.Reason_REASON_UNSUPPORTED_IMAGE},
		{"no face", encode(t, noise), faultv1.Reason_REASON_NO_FACE_FOUND},
		{"two faces", encode(t, collage(256, 128, one, two)), faultv1.Reason_REASON_SEVERAL_FACES_FOUND},
		{"a face of 20 pixels", encode(t, collage(256, 256, imaging.Resize(one, 36, 36))), faultv1.Reason_REASON_FACE_TOO_SMALL},
		{"another face", examples[1], 0},
	}
	req := &encoderv1.EmbedFacesRequest{}
	for _, test := range cases {
		req.Photos = append(req.Photos, inline(test.data))
	}
	req.Photos = append(req.Photos, &mediav1.Picture{})
	out, err := c.EmbedFaces(t.Context(), req)
	if err != nil || len(out.GetFaces()) != len(cases)+1 {
		t.Fatalf("%v, %v", out, err)
	}
	for i, test := range cases {
		got := out.GetFaces()[i]
		if got.GetFault().GetReason() != test.want {
			t.Errorf("%s: fault %v, want %v", test.name, got.GetFault(), test.want)
		}
		if used := got.GetEmbedding() != nil && got.GetFace() != nil; used != (test.want == 0) {
			t.Errorf("%s: used is %v", test.name, used)
		}
		if test.want != 0 && got.GetFault().GetField() != fmt.Sprintf("photos[%d]", i) {
			t.Errorf("%s: field %q", test.name, got.GetFault().GetField())
		}
	}
}

func TestEmbedFaces(t *testing.T) {
	c := client(t)
	examples := testkit.ExampleFaces(t)
	embed := func(photos ...[]byte) [][]float32 {
		req := &encoderv1.EmbedFacesRequest{LargestOfSeveral: true}
		for _, p := range photos {
			req.Photos = append(req.Photos, inline(p))
		}
		out, err := c.EmbedFaces(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		var rows [][]float32
		for i, f := range out.GetFaces() {
			e, err := tensor.FromProto(f.GetEmbedding())
			if err != nil || f.GetFault() != nil {
				t.Fatalf("photo %d: %v, %v", i, err, f.GetFault())
			}
			if n := tensor.Norm(e.Data); math.Abs(n-1) > 1e-5 {
				t.Errorf("length %v", n)
			}
			rows = append(rows, e.Data)
		}
		return rows
	}
	all := embed(examples...)
	if alone := embed(examples[2]); !slices.Equal(alone[0], all[2]) {
		t.Error("a face's embedding depends on the photos beside it")
	}
	one, two := decode(t, examples[0]), decode(t, examples[1])
	small := imaging.Resize(two, 96, 96)
	largest := embed(encode(t, collage(300, 128, small, one)))[0]
	if near, far := tensor.Cosine(largest, all[0]), tensor.Cosine(largest, all[1]); near < far {
		t.Errorf("largest of two: similarity %v to it, %v to the other", near, far)
	}
}

func TestEmbedImages(t *testing.T) {
	c := client(t)
	manifest := testkit.TinyBundle(t).Manifest
	example := testkit.ExampleFace(t)
	box := &mediav1.Box{X: 30, Y: 40, Width: 70, Height: 70}
	out, err := c.EmbedImages(t.Context(), &encoderv1.EmbedImagesRequest{Images: []*encoderv1.ImageToEmbed{
		{Picture: inline(example)},
		{Picture: inline(example), Faces: []*mediav1.Box{box}},
		{Picture: inline(masked(t, example, box, manifest.StyleFaceMask.Scale, uint8(manifest.StyleFaceMask.Fill)))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := tensor.FromProto(out.GetEmbeddings())
	if err != nil || !rows.Is(3, int64(manifest.Embeddings.Image)) {
		t.Fatalf("%v, %v", rows, err)
	}
	if slices.Equal(rows.Row(0).Data, rows.Row(1).Data) {
		t.Error("masking a face changes nothing")
	}
	if !slices.Equal(rows.Row(1).Data, rows.Row(2).Data) {
		t.Error("masking is not by the manifest's factor and fill")
	}
}

// masked returns the picture with the box masked by hand.
func masked(t *testing.T, data []byte, b *mediav1.Box, scale float64, fill uint8) []byte {
	t.Helper()
	p := decode(t, data)
	x, y, w, h := float64(b.GetX()), float64(b.GetY()), float64(b.GetWidth()), float64(b.GetHeight())
	x0, x1 := math.Floor(x+w/2-scale*w/2), math.Ceil(x+w/2+scale*w/2)
	y0, y1 := math.Floor(y+h/2-scale*h/2), math.Ceil(y+h/2+scale*h/2)
	for py := int(y0); py < int(y1); py++ {
		for px := int(x0); px < int(x1); px++ {
			copy(p.Pix[3*(py*p.W+px):], []uint8{fill, fill, fill})
		}
	}
	return encode(t, p)
}

func TestEmbedTexts(t *testing.T) {
	c := client(t)
	manifest := testkit.TinyBundle(t).Manifest
	embed := func(texts ...string) *tensor.Tensor {
		out, err := c.EmbedTexts(t.Context(), &encoderv1.EmbedTextsRequest{Texts: texts})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := tensor.FromProto(out.GetEmbeddings())
		if err != nil || !rows.Is(int64(len(texts)), int64(manifest.Embeddings.Text)) {
			t.Fatalf("%v, %v", rows, err)
		}
		return rows
	}
	rows := embed("a woman with red hair", "An old MAN", "a woman with red hair")
	if slices.Equal(rows.Row(0).Data, rows.Row(1).Data) || !slices.Equal(rows.Row(0).Data, rows.Row(2).Data) {
		t.Error("different texts must differ, equal ones must not")
	}
	if alone := embed("an old man"); !slices.Equal(alone.Data, rows.Row(1).Data) {
		t.Error("a text's embedding depends on its case or on the texts beside it")
	}
}
