package flow_test

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
	"github.com/facestudio/facestudio/services/provenance"
)

// inPlace makes the style picture a photo of two people whose heads the
// canvases frame at heads.
func inPlace(f *fixture, g *gatewayv1.Generation) {
	f.style(g, 1)
	g.InPlace = true
	keep(g)
	f.detectFaces = found(face(140, 60, 2.5), face(20, 70, 2.2))
}

func found(faces ...*mediav1.Face) func(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
	return func(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
		return &encoderv1.DetectFacesResponse{Faces: faces, Width: 256, Height: 256}, nil
	}
}

// canvases are what the two people's canvases of 32 x 48 show of the photo, the
// left one first: the template is in the middle, 8 pixels down.
var canvases = []imaging.Box{
	{X: 20, Y: 70 - 8*2.2, W: 32 * 2.2, H: 48 * 2.2},
	{X: 140, Y: 60 - 8*2.5, W: 32 * 2.5, H: 48 * 2.5},
}

func within(b imaging.Box, x, y int) bool {
	return float64(x) >= b.X-1 && float64(x) <= b.X+b.W+1 && float64(y) >= b.Y-1 && float64(y) <= b.Y+b.H+1
}

// placed makes a generation and returns its picture's bytes and pixels.
func (f *fixture) placed(t *testing.T, g *gatewayv1.Generation) (flow.Result, []byte, *imaging.RGB) {
	t.Helper()
	result, err := f.run(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	data, err := f.blobs.Get(t.Context(), tenant, result.Pictures[0].GetBlob())
	if err != nil {
		t.Fatal(err)
	}
	p, err := imaging.Decode(data, imaging.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return result, data, p
}

func TestHeadsAreMadeInPlace(t *testing.T) {
	f, g := open(t), request()
	inPlace(f, g)
	people(f, g, nil, nil)
	g.Strength = new(float32(0.6))
	result, data, got := f.placed(t, g)
	photo, err := imaging.Decode(stylePNG, imaging.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "width", result.Pictures[0].GetWidth(), 256)
	equal(t, "height", result.Pictures[0].GetHeight(), 256)
	var outside int
	fresh := make([]int, len(canvases))
	for y := range got.H {
		for x := range got.W {
			same := got.At(x, y) == photo.At(x, y)
			inside := -1
			for i, c := range canvases {
				if within(c, x, y) {
					inside = i
				}
			}
			switch {
			case same:
			case inside < 0:
				outside++
			default:
				fresh[inside]++
			}
		}
	}
	equal(t, "changed pixels outside the canvases", outside, 0)
	for i, c := range canvases {
		if area := c.W * c.H; float64(fresh[i]) < 0.2*area || float64(fresh[i]) > 0.9*area {
			t.Errorf("head %d has %d new pixels of %.0f", i, fresh[i], area)
		}
	}
	// The middle of a face is the denoiser's grey, far from the seam.
	for c, v := range got.At(180, 103) {
		if v < 97 || v > 103 {
			t.Errorf("channel %d of the right face is %d, want about 100", c, v)
		}
	}

	calls := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")
	slices.SortFunc(calls, func(a, b *denoiserv1.DenoiseRequest) int { return int(a.GetIndex()) - int(b.GetIndex()) })
	equal(t, "calls of the denoiser", len(calls), 2)
	for i, call := range calls {
		equal(t, "index", call.GetIndex(), uint32(i)<<16)
		equal(t, "strength", call.GetStrength(), 0.6)
		equal(t, "background", call.GetBackground(), denoiserv1.Background_BACKGROUND_KEEP)
		if got := who(call); !slices.Equal(got, []int{i}) {
			t.Errorf("head %d is of %v", i, got)
		}
		if call.GetStyle() == nil || call.GetIdentities()[0].GetMask() == nil || call.GetImageEmbedding() == nil {
			t.Errorf("head %d has no style, region or embedding", i)
		}
	}
	record, err := provenance.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "source", record.Source, provenance.Composite)
	equal(t, "index of the record", record.Index, 0)
	equal(t, "placements", len(result.Placements), 2)
}

func TestWhoIsNotPlacedStaysInPlace(t *testing.T) {
	f, g := open(t), request()
	inPlace(f, g)
	people(f, g, toPerson(1))
	result, _, got := f.placed(t, g)
	photo, err := imaging.Decode(stylePNG, imaging.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for y := range got.H {
		for x := range got.W {
			if got.At(x, y) != photo.At(x, y) && !within(canvases[1], x, y) {
				t.Fatalf("pixel %d, %d changed", x, y)
			}
		}
	}
	equal(t, "calls of the denoiser", len(f.requests("Denoise")), 1)
	equal(t, "people told", len(result.Placements), 2)
	equal(t, "the left one is placed", result.Placements[0].Subject != nil, false)
}

func (f *fixture) requests(method string) []*denoiserv1.DenoiseRequest {
	return requestsOf[*denoiserv1.DenoiseRequest](f.stages, method)
}

func TestTheOrderOfSubjectsDoesNotMatterInPlace(t *testing.T) {
	var pictures []*imaging.RGB
	for _, at := range [][]int32{{0, 1}, {1, 0}} {
		f, g := open(t), request()
		inPlace(f, g)
		people(f, g, toPerson(at[0]), toPerson(at[1]))
		f.denoise = func(_ context.Context, req *denoiserv1.DenoiseRequest) (events, error) { return made(req), nil }
		_, _, p := f.placed(t, g)
		pictures = append(pictures, p)
	}
	if !bytes.Equal(pictures[0].Pix, pictures[1].Pix) {
		t.Error("another order makes another picture")
	}
}

func TestCallersMaskSaysWhatAHeadIsInPlace(t *testing.T) {
	f, g := open(t), request()
	inPlace(f, g)
	// The right one's face, and nothing of the hair above it.
	own := imaging.NewGray(256, 256)
	for y := 85; y < 256; y++ {
		for x := 130; x < 240; x++ {
			own.Pix[y*256+x] = 255
		}
	}
	data, err := own.EncodePNG()
	if err != nil {
		t.Fatal(err)
	}
	people(f, g, toMask(&mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}))
	result, _, _ := f.placed(t, g)
	equal(t, "mask source", result.Placements[1].GetMaskSource(), gatewayv1.MaskSource_MASK_SOURCE_CALLER)
	region, err := imaging.DecodeGray(f.requests("Denoise")[0].GetIdentities()[0].GetMask().GetData(), imaging.Limits{MinSide: 1})
	if err != nil {
		t.Fatal(err)
	}
	box, ok := mask.Bounds(region.Floats(), region.W, region.H)
	// Row 85 of the photo is row (85-60)/2.5 + 8 = 18 of the canvas; the soft
	// edge and the region's spare are 3 pixels more.
	if !ok || box.Y < 11 || box.Y > 18 {
		t.Errorf("the region begins at row %v", box.Y)
	}
}

func TestProgressInPlaceIsThatOfTheSlowest(t *testing.T) {
	f, g := open(t), request()
	inPlace(f, g)
	people(f, g, nil, nil)
	first := make(chan struct{})
	f.denoise = func(_ context.Context, req *denoiserv1.DenoiseRequest) (events, error) {
		if req.GetIndex() == 0 {
			<-first
			return made(req), nil
		}
		defer close(first)
		return made(req), nil
	}
	f.placed(t, g)
	var steps []int32
	for _, e := range f.seen {
		if e.GetProgress().GetStage() == "denoise" {
			equal(t, "picture", e.GetProgress().GetPicture(), 0)
			steps = append(steps, e.GetProgress().GetStep())
		}
	}
	slices.Sort(steps)
	if !slices.Equal(steps, []int32{0, 1}) {
		t.Errorf("steps are %v", steps)
	}
}

func TestFaultsInPlace(t *testing.T) {
	empty := imaging.NewGray(256, 256)
	for i := range 2000 {
		empty.Pix[i] = 255
	}
	corner, err := empty.EncodePNG()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change func(*fixture, *gatewayv1.Generation)
		reason faultv1.Reason
		field  string
	}{
		"nobody in the photo": {
			func(f *fixture, _ *gatewayv1.Generation) { f.detectFaces = noFaces },
			faultv1.Reason_REASON_NO_FACE_FOUND, "style",
		},
		"a face of 20 pixels": {
			func(f *fixture, _ *gatewayv1.Generation) { f.detectFaces = found(face(100, 100, 1.25)) },
			faultv1.Reason_REASON_FACE_TOO_SMALL, "style",
		},
		"a face that the left border cuts": {
			func(f *fixture, _ *gatewayv1.Generation) { f.detectFaces = found(face(-30, 100, 2.5)) },
			faultv1.Reason_REASON_NO_FACE_FOUND, "style",
		},
		"a face that the lower border cuts": {
			func(f *fixture, _ *gatewayv1.Generation) { f.detectFaces = found(face(100, 205, 2.5)) },
			faultv1.Reason_REASON_NO_FACE_FOUND, "style",
		},
		"a face without points": {
			func(f *fixture, _ *gatewayv1.Generation) {
				blind := face(100, 100, 2.5)
				blind.Landmarks = nil
				f.detectFaces = found(blind)
			},
			faultv1.Reason_REASON_NO_FACE_FOUND, "style",
		},
		"person 5 of 2": {
			func(f *fixture, g *gatewayv1.Generation) { people(f, g, toPerson(5)) },
			faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[0].at",
		},
		"three subjects for two people": {
			func(f *fixture, g *gatewayv1.Generation) { people(f, g, nil, nil, nil) },
			faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, "subjects",
		},
		"a mask beside every face": {
			func(f *fixture, g *gatewayv1.Generation) {
				people(f, g, toMask(&mediav1.Picture{Source: &mediav1.Picture_Data{Data: corner}}))
			},
			faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[0].at.mask",
		},
		"a truncated photo": {
			func(_ *fixture, g *gatewayv1.Generation) {
				g.Style = &mediav1.Picture{Source: &mediav1.Picture_Data{Data: stylePNG[:len(stylePNG)/2]}}
			},
			faultv1.Reason_REASON_UNSUPPORTED_IMAGE, "style",
		},
		"a segmenter's refusal": {
			func(f *fixture, _ *gatewayv1.Generation) {
				f.segment = func(context.Context, *segmenterv1.SegmentPeopleRequest) (*segmenterv1.SegmentPeopleResponse, error) {
					return nil, status(fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, "faces[0]")
				}
			},
			faultv1.Reason_REASON_INVALID_FIELD, "style",
		},
		"a denoiser's refusal": {
			func(f *fixture, _ *gatewayv1.Generation) { f.denoise = refusing("strength") },
			faultv1.Reason_REASON_INVALID_FIELD, "strength",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, g := open(t), request()
			inPlace(f, g)
			test.change(f, g)
			_, err := f.run(t.Context(), g)
			got := fault.From(err)
			if got == nil {
				t.Fatal("no error")
			}
			equal(t, "reason", got.Reason, test.reason)
			equal(t, "field", got.Field, test.field)
			if got.Message == "" {
				t.Error("there is no way out")
			}
		})
	}
}
