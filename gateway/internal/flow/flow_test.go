package flow_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/testkit"
)

const (
	tenant = "acme"
	id     = "00000000000000000000000001"
	digest = "b00d1e"
)

var template = bundle.Template{Name: "test-32", Size: 32, Points: map[string][2]float64{
	"left_eye": {20, 12}, "right_eye": {12, 12}, "nose": {16, 17}, "mouth": {16, 21},
}}

// fixture is a flow over hand-written stages and a real store.
type fixture struct {
	*stages
	flow  *flow.Flow
	blobs *blob.Store
	mu    sync.Mutex
	seen  []*gatewayv1.ProgressEvent
}

func open(t *testing.T) *fixture {
	t.Helper()
	blobs, err := blob.Open(context.Background(), "mem://", testkit.Ring(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	f := &fixture{stages: new(stages), blobs: blobs}
	f.flow = flow.New(f.connect(), blobs, flow.Settings{Framing: bundle.Framing{Fill: "edge", Template: template}, Portrait: 32})
	return f
}

func (f *fixture) run(ctx context.Context, g *gatewayv1.Generation) (flow.Result, error) {
	job := flow.Job{Key: jobqueue.RecordKey{Tenant: tenant, ID: id}, Class: jobqueue.Batch, First: true, Generation: g}
	return f.flow.Run(ctx, job, func(e *gatewayv1.ProgressEvent) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.seen = append(f.seen, e)
	})
}

// request is a generation by a prompt, as the API leaves it.
func request() *gatewayv1.Generation {
	return &gatewayv1.Generation{
		Name:          "generations/" + id,
		Bundle:        digest,
		Subjects:      []*gatewayv1.GenerationSubject{{Name: "ada", Photos: []*mediav1.Picture{inline("photo")}}},
		Prompt:        "smiling",
		Alpha:         new(float32(0)),
		Seed:          new(uint64(7)),
		Steps:         new(int32(25)),
		GuidanceScale: new(float32(3)),
		PictureCount:  new(int32(1)),
		Width:         new(int32(32)),
		Height:        new(int32(48)),
		Background:    denoiserv1.Background_BACKGROUND_RANDOM_IDENTITY,
		PreviewEvery:  5,
	}
}

func (f *fixture) style(g *gatewayv1.Generation, alpha float32) {
	g.Style = &mediav1.Picture{Source: &mediav1.Picture_Data{Data: stylePNG}}
	g.Alpha = &alpha
}

// stylePNG is a picture of 256 x 256 pixels, one half red and one half blue.
var stylePNG = func() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 256, 256))
	for y := range 256 {
		for x := range 256 {
			c := color.RGBA{R: 200, A: 255}
			if x >= 128 {
				c = color.RGBA{B: 200, A: 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		panic(err)
	}
	return out.Bytes()
}()

func TestStagesThatAreCalled(t *testing.T) {
	subject := []string{"Denoise", "EmbedFaces", "EmbedAllFaces"}
	tests := map[string]struct {
		change func(*fixture, *gatewayv1.Generation)
		want   []string
		image  bool
		text   bool
		kept   bool
	}{
		"prompt": {
			change: func(*fixture, *gatewayv1.Generation) {},
			want:   append([]string{"EmbedTexts", "EmbedImage"}, subject...), text: true,
		},
		"style": {
			change: func(f *fixture, g *gatewayv1.Generation) { f.style(g, 1); g.Prompt = "" },
			want:   append([]string{"DetectFaces", "EmbedImages"}, subject...), image: true,
		},
		"both": {
			change: func(f *fixture, g *gatewayv1.Generation) { f.style(g, 0.5) },
			want:   append([]string{"DetectFaces", "EmbedImages", "EmbedTexts", "EmbedImage"}, subject...), image: true, text: true,
		},
		"both, all weight on the style": {
			change: func(f *fixture, g *gatewayv1.Generation) { f.style(g, 1) },
			want:   append([]string{"DetectFaces", "EmbedImages"}, subject...), image: true,
		},
		"both, all weight on the prompt": {
			change: func(f *fixture, g *gatewayv1.Generation) { f.style(g, 0) },
			want:   append([]string{"EmbedTexts", "EmbedImage"}, subject...), text: true,
		},
		"style, background kept": {
			change: func(f *fixture, g *gatewayv1.Generation) { f.style(g, 1); g.Prompt = ""; keep(g) },
			want:   append([]string{"DetectFaces", "EmbedImages", "SegmentPeople"}, subject...), image: true, kept: true,
		},
		"prompt before the style's background": {
			change: func(f *fixture, g *gatewayv1.Generation) { f.style(g, 0); keep(g) },
			want:   append([]string{"DetectFaces", "SegmentPeople", "EmbedTexts", "EmbedImage"}, subject...), text: true, kept: true,
		},
		"style without a face": {
			change: func(f *fixture, g *gatewayv1.Generation) {
				f.style(g, 1)
				f.detectFaces = noFaces
			},
			want: append([]string{"DetectFaces", "EmbedImages"}, subject...), image: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, g := open(t), request()
			test.change(f, g)
			result, err := f.run(t.Context(), g)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(test.want)
			if got := f.methods(); !slices.Equal(got, test.want) {
				t.Errorf("called %v, want %v", got, test.want)
			}
			equal(t, "pictures", len(result.Pictures), 1)
			sent := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")[0]
			equal(t, "image embedding", sent.GetImageEmbedding() != nil, test.image)
			equal(t, "text embedding", sent.GetTextImageEmbedding() != nil, test.text)
			equal(t, "style picture", sent.GetStyle() != nil, test.kept)
			equal(t, "mask", sent.GetIdentities()[0].GetMask() != nil, test.kept)
			equal(t, "alpha", sent.GetAlpha(), g.GetAlpha())
		})
	}
}

func keep(g *gatewayv1.Generation) { g.Background = denoiserv1.Background_BACKGROUND_KEEP }

func noFaces(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
	return &encoderv1.DetectFacesResponse{Width: 256, Height: 256}, nil
}

func TestPicturesAreMadeAndCompared(t *testing.T) {
	f, g := open(t), request()
	g.PictureCount = new(int32(3))
	result, err := f.run(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "pictures", len(result.Pictures), 3)
	for i, p := range result.Pictures {
		equal(t, "name", p.GetName(), "generations/"+id+"/pictures/"+string(rune('0'+i)))
		equal(t, "width", p.GetWidth(), 32)
		equal(t, "height", p.GetHeight(), 48)
		equal(t, "faces", len(p.GetFaces()), 1)
		equal(t, "subject", p.GetFaces()[0].GetSubject(), "ada")
		if s := p.GetFaces()[0].GetSimilarity(); s < 0.999 {
			t.Errorf("similarity is %v, want 1", s)
		}
		equal(t, "index of the noise", p.GetSeedIndex(), int32(i))
		equal(t, "tries", len(p.GetTries()), 0)
	}
	indices := make(map[uint32]bool)
	for _, req := range requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise") {
		indices[req.GetIndex()] = true
		equal(t, "seed", req.GetSeed(), 7)
		equal(t, "steps", req.GetSteps(), 25)
		equal(t, "guidance scale", req.GetGuidanceScale(), 3)
		equal(t, "preview every", req.GetPreviewEvery(), 5)
		equal(t, "bundle", req.GetBundle(), digest)
	}
	equal(t, "indices", len(indices), 3)
	equal(t, "calls of the prior", len(requestsOf[proto.Message](f.stages, "EmbedImage")), 1)
	var previews int
	for _, e := range f.seen {
		if e.GetPreview() != nil {
			previews++
			equal(t, "stage of a preview", e.GetProgress().GetStage(), "denoise")
		}
	}
	equal(t, "previews", previews, 3)
	equal(t, "last stage", f.seen[len(f.seen)-1].GetProgress().GetStage(), "finish")
}

func TestResultWithoutFaceIsNoFailure(t *testing.T) {
	f, g := open(t), request()
	f.embedAllFaces = func(context.Context, *encoderv1.EmbedAllFacesRequest) (*encoderv1.EmbedAllFacesResponse, error) {
		return &encoderv1.EmbedAllFacesResponse{}, nil
	}
	result, err := f.run(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "faces", len(result.Pictures[0].GetFaces()), 0)
	equal(t, "warnings", len(result.Pictures[0].GetWarnings()), 1)
	equal(t, "warning", result.Pictures[0].GetWarnings()[0].GetKind(), gatewayv1.Warning_KIND_SUBJECT_MISSING)
}

func TestStyleIsFramedByItsLargestFace(t *testing.T) {
	f, g := open(t), request()
	f.style(g, 1)
	keep(g)
	f.detectFaces = func(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
		// The first at the border of the two halves, the second a passer-by beside
		// it, the third off the canvas.
		return &encoderv1.DetectFacesResponse{Faces: []*mediav1.Face{face(96, 40, 2), face(92, 40, 0.6), face(0, 0, 0.5)}, Width: 256, Height: 256}, nil
	}
	if _, err := f.run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	images := requestsOf[*encoderv1.EmbedImagesRequest](f.stages, "EmbedImages")[0].GetImages()
	equal(t, "images", len(images), 1)
	framed, err := imaging.Decode(images[0].GetPicture().GetData(), imaging.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "framed width", framed.W, 32)
	equal(t, "framed height", framed.H, 48)
	equal(t, "left of the middle", framed.At(13, 24), [3]uint8{200, 0, 0})
	equal(t, "right of the middle", framed.At(19, 24), [3]uint8{0, 0, 200})
	boxes := images[0].GetFaces()
	equal(t, "boxes", len(boxes), 2)
	// The template is 32 pixels in the middle of 32 x 48: 8 pixels down.
	want := &mediav1.Box{X: 8, Y: 16, Width: 16, Height: 16}
	for name, pair := range map[string][2]float32{
		"x": {boxes[0].GetX(), want.GetX()}, "y": {boxes[0].GetY(), want.GetY()},
		"width": {boxes[0].GetWidth(), want.GetWidth()}, "height": {boxes[0].GetHeight(), want.GetHeight()},
	} {
		if d := pair[0] - pair[1]; d > 0.01 || d < -0.01 {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	segmented := requestsOf[*segmenterv1.SegmentPeopleRequest](f.stages, "SegmentPeople")[0]
	equal(t, "people", len(segmented.GetFaces()), 1)
	if !proto.Equal(segmented.GetFaces()[0], boxes[0]) || !proto.Equal(segmented.GetPicture(), images[0].GetPicture()) {
		t.Error("the segmenter is asked for another person or picture than the encoder masks")
	}
}
