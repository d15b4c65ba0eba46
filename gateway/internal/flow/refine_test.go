package flow_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/provenance"
)

// portraits are the calls of the denoiser for single heads, by their noise.
func (f *fixture) portraits() []*denoiserv1.DenoiseRequest {
	calls := slices.DeleteFunc(f.requests("Denoise"), func(r *denoiserv1.DenoiseRequest) bool { return r.GetWidth() != 32 })
	slices.SortFunc(calls, func(a, b *denoiserv1.DenoiseRequest) int { return int(a.GetIndex()) - int(b.GetIndex()) })
	return calls
}

func TestWhoseHeadsAreRefined(t *testing.T) {
	drawn := func(f *fixture, g *gatewayv1.Generation) {
		g.Width, g.Height = new(int32(96)), new(int32(48))
		people(f, g, toBox(4, 4, 40, 40), toBox(52, 4, 40, 40))
	}
	tests := map[string]struct {
		ask  func(*fixture, *gatewayv1.Generation)
		want []int // the axes of those whose heads are made, from the left; -1 for nobody's
	}{
		"everybody of a crowd": {func(f *fixture, g *gatewayv1.Generation) {
			crowd(f, g)
			people(f, g, nil, nil, nil)
			g.Width, g.Height = new(int32(192)), new(int32(64))
		}, []int{0, 1, 2}},
		"bystanders too": {func(f *fixture, g *gatewayv1.Generation) {
			crowd(f, g)
			people(f, g, toPerson(2))
			g.Width, g.Height = new(int32(192)), new(int32(64))
		}, []int{-1, -1, 0}},
		"bystanders who are kept": {func(f *fixture, g *gatewayv1.Generation) {
			crowd(f, g)
			people(f, g, toPerson(2))
			g.Width, g.Height = new(int32(192)), new(int32(64))
			g.Background = denoiserv1.Background_BACKGROUND_KEEP
		}, []int{0}},
		"one alone": {func(f *fixture, g *gatewayv1.Generation) {
			f.style(g, 1)
			people(f, g, nil)
			g.Width = new(int32(48))
		}, []int{0}},
		"boxes": {drawn, []int{0, 1}},
		"one alone of whom a face is found": {func(f *fixture, g *gatewayv1.Generation) {
			g.Width = new(int32(48))
			people(f, g, nil)
			f.detectFaces = found(face(8, 8, 1))
		}, []int{0}},
		"one alone of whom no face is found": {func(f *fixture, g *gatewayv1.Generation) {
			g.Width = new(int32(48))
			people(f, g, nil)
			f.detectFaces = found()
		}, nil},
		"a place of a few pixels": {func(f *fixture, g *gatewayv1.Generation) {
			drawn(f, g)
			g.Subjects[1].At = toBox(60, 4, 24, 16)
		}, []int{0}},
		"not asked for": {func(f *fixture, g *gatewayv1.Generation) {
			crowd(f, g)
			people(f, g, nil, nil, nil)
			g.Width, g.Height = new(int32(192)), new(int32(64))
			g.RefineFaces = new(false)
		}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, g := open(t), request()
			g.RefineFaces = new(true)
			test.ask(f, g)
			result, err := f.run(context.Background(), g)
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, call := range f.portraits() {
				got = append(got, who(call)...)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("the heads of %v were made, want %v", got, test.want)
			}
			equal(t, "width", result.Pictures[0].GetWidth(), g.GetWidth())
			equal(t, "height", result.Pictures[0].GetHeight(), g.GetHeight())
		})
	}
}

func TestRefinedHeadsAreMadeAloneInThePicture(t *testing.T) {
	f, g := open(t), request()
	crowd(f, g)
	people(f, g, nil, nil, nil)
	g.Width, g.Height = new(int32(192)), new(int32(64))
	g.RefineFaces, g.PictureCount, g.FirstIndex = new(true), new(int32(2)), 3
	result, err := f.run(context.Background(), g)
	if err != nil {
		t.Fatal(err)
	}
	calls := f.portraits()
	equal(t, "heads", len(calls), 6)
	for i, call := range calls {
		equal(t, "index", call.GetIndex(), uint32(i/2)<<16+uint32(3+i%2))
		equal(t, "background", call.GetBackground(), g.GetBackground())
		equal(t, "previews", call.GetPreviewEvery(), 0)
		if call.GetStyle() != nil || call.GetIdentities()[0].GetMask() != nil || call.GetImageEmbedding() == nil {
			t.Errorf("head %d does not fill its canvas, or has no embedding", i)
		}
	}
	owners := map[string]bool{}
	for _, c := range f.calls {
		if owners[c.method+c.meta.Owner] {
			t.Errorf("two calls of %s are owned by %s", c.method, c.meta.Owner)
		}
		if !c.meta.First {
			t.Errorf("the call of %s is not said to be the first", c.method)
		}
		owners[c.method+c.meta.Owner] = true
	}
	for i, picture := range result.Pictures {
		data, err := f.blobs.Picture(context.Background(), tenant, &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: picture.GetBlob()}})
		if err != nil {
			t.Fatal(err)
		}
		record, err := provenance.Read(data)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "source", record.Source, provenance.Trained)
		equal(t, "index of the record", record.Index, uint32(3+i))
		equal(t, "the record tells it", strings.Contains(string(record.Request), "refine_faces"), true)
	}
}

func TestWhatIsAroundRefinedHeadsIsKeptWhereAllIs(t *testing.T) {
	f, g := open(t), request()
	crowd(f, g)
	people(f, g, nil, nil, nil)
	g.Width, g.Height = new(int32(192)), new(int32(64))
	keep(g)
	g.RefineFaces = new(true)
	if _, err := f.run(context.Background(), g); err != nil {
		t.Fatal(err)
	}
	for i, call := range f.portraits() {
		equal(t, "background", call.GetBackground(), denoiserv1.Background_BACKGROUND_KEEP)
		if call.GetStyle() == nil || call.GetIdentities()[0].GetMask() == nil {
			t.Errorf("head %d has no style or region", i)
		}
	}
}

func TestProgressOfRefining(t *testing.T) {
	f, g := open(t), request()
	crowd(f, g)
	people(f, g, nil, nil, nil)
	g.Width, g.Height = new(int32(192)), new(int32(64))
	g.RefineFaces = new(true)
	if _, err := f.run(context.Background(), g); err != nil {
		t.Fatal(err)
	}
	most := map[string]int32{}
	for _, e := range f.seen {
		p := e.GetProgress()
		equal(t, "steps in all", p.GetSteps(), 50)
		if p.GetStage() == "refine" && e.GetPreview() != nil {
			t.Error("a head is shown as if it were the picture")
		}
		most[p.GetStage()] = max(most[p.GetStage()], p.GetStep())
	}
	equal(t, "step of painting", most["denoise"], 1)
	equal(t, "step of refining", most["refine"], 26)
}

func TestFaultsOfRefining(t *testing.T) {
	tests := map[string]struct {
		fail func(*fixture)
		kind fault.Kind
	}{
		"the detector is away": {func(f *fixture) {
			f.detectFaces = func(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
				return nil, status(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "")
			}
		}, fault.Unavailable},
		"the made picture is refused": {func(f *fixture) {
			f.detectFaces = func(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
				return nil, status(fault.Invalid, faultv1.Reason_REASON_IMAGE_TOO_LARGE, "picture")
			}
		}, fault.Internal},
		"a head is not made": {func(f *fixture) {
			f.detectFaces = found(face(4, 4, 1))
			f.denoise = func(_ context.Context, req *denoiserv1.DenoiseRequest) (events, error) {
				if req.GetWidth() == 32 {
					return nil, status(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "")
				}
				return made(req), nil
			}
		}, fault.Unavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, g := open(t), request()
			g.Width, g.Height, g.RefineFaces = new(int32(48)), new(int32(48)), new(true)
			people(f, g, nil)
			test.fail(f)
			_, err := f.run(context.Background(), g)
			if err == nil {
				t.Fatal("it was made")
			}
			got := fault.From(err)
			equal(t, "kind", got.Kind, test.kind)
			equal(t, "field", got.Field, "")
		})
	}
}

// The head that is put back lies where the style picture's face guided it to.
func TestRefinedHeadsLieAtTheirPlaces(t *testing.T) {
	f, g := open(t), request()
	crowd(f, g)
	people(f, g, nil, nil, nil)
	g.Width, g.Height = new(int32(192)), new(int32(64))
	g.RefineFaces = new(true)
	f.denoise = func(_ context.Context, req *denoiserv1.DenoiseRequest) (events, error) {
		list := made(req)
		if req.GetWidth() == 32 {
			list[1].GetResult().Picture = shaded(req, 220)
		}
		return list, nil
	}
	result, err := f.run(context.Background(), g)
	if err != nil {
		t.Fatal(err)
	}
	data, err := f.blobs.Picture(context.Background(), tenant, &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: result.Pictures[0].GetBlob()}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := imaging.Decode(data, imaging.Limits{MinSide: 1})
	if err != nil {
		t.Fatal(err)
	}
	fresh := 0
	for _, v := range p.Pix {
		if v > 110 {
			fresh++
		}
	}
	if share := float64(fresh) / float64(len(p.Pix)); share < 0.05 || share > 0.8 {
		t.Errorf("%.0f %% of the picture is new", 100*share)
	}
}
