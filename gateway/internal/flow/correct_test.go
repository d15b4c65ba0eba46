package flow_test

import (
	"context"
	"math"
	"slices"
	"testing"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

// wanted is the angle of the subject's embedding (0.6, 0.8), in hundredths.
const wanted = 93

// answering has faces whose angle a denoiser makes of the angle that it is asked
// for; the grey of its picture tells it, in hundredths.
func (f *fixture) answering(answer func(asked float64) float64) {
	f.denoise = func(_ context.Context, req *denoiserv1.DenoiseRequest) (events, error) {
		list := made(req)
		list[1].GetResult().Picture = shaded(req, uint8(math.Round(answer(askedFor(req)))))
		return list, nil
	}
	f.embedAllFaces = func(ctx context.Context, req *encoderv1.EmbedAllFacesRequest) (*encoderv1.EmbedAllFacesResponse, error) {
		data, err := f.blobs.Picture(ctx, tenant, req.GetPicture())
		if err != nil {
			return nil, err
		}
		p, err := imaging.Decode(data, imaging.Limits{MinSide: 1})
		if err != nil {
			return nil, err
		}
		y, x := math.Sincos(float64(p.Pix[3*(p.W*(p.H/2)+p.W/2)]) / 100)
		return &encoderv1.EmbedAllFacesResponse{Faces: []*encoderv1.EmbeddedFace{
			{Embedding: vector(0, float32(x), float32(y)), Face: face(4, 4, 0.5)},
		}}, nil
	}
}

// askedFor is the angle of a request's face embedding, in hundredths.
func askedFor(req *denoiserv1.DenoiseRequest) float64 {
	e, err := tensor.FromProto(req.GetIdentities()[0].GetFaceEmbedding())
	if err != nil {
		panic(err)
	}
	return 100 * math.Atan2(float64(e.Data[1]), float64(e.Data[0]))
}

func half(asked float64) float64 { return asked / 2 }

func TestCorrections(t *testing.T) {
	for name, test := range map[string]struct {
		answer      func(float64) float64
		corrections int32
		runs        int
		found       float64 // the angle of the face that is kept
	}{
		"none":                      {half, 0, 1, 46},
		"one":                       {half, 1, 2, 58},
		"two":                       {half, 2, 3, 66},
		"away from what was wanted": {func(asked float64) float64 { return 120 - asked }, 3, 2, 27},
		"nothing is lacking":        {func(asked float64) float64 { return asked }, 2, 2, wanted},
	} {
		t.Run(name, func(t *testing.T) {
			f, g := open(t), request()
			f.answering(test.answer)
			g.Corrections = &test.corrections
			result, err := f.run(t.Context(), g)
			if err != nil {
				t.Fatal(err)
			}
			calls := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")
			equal(t, "runs of the denoiser", len(calls), test.runs)
			for _, call := range calls {
				equal(t, "index", call.GetIndex(), 0)
				equal(t, "seed", call.GetSeed(), g.GetSeed())
			}
			got := result.Pictures[0].GetFaces()[0].GetSimilarity()
			if want := math.Cos((wanted - test.found) / 100); math.Abs(float64(got)-want) > 0.02 {
				t.Errorf("the similarity is %.3f, want %.3f", got, want)
			}
			owners := map[string]bool{}
			for _, c := range f.calls {
				if owners[c.method+c.meta.Owner] {
					t.Errorf("two calls of %s are owned by %s", c.method, c.meta.Owner)
				}
				owners[c.method+c.meta.Owner] = true
			}
		})
	}
}

func TestNothingIsCorrectedByNoFace(t *testing.T) {
	f, g := open(t), request()
	g.Corrections = new(int32(2))
	f.embedAllFaces = func(context.Context, *encoderv1.EmbedAllFacesRequest) (*encoderv1.EmbedAllFacesResponse, error) {
		return new(encoderv1.EmbedAllFacesResponse), nil
	}
	result, err := f.run(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "runs of the denoiser", len(requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")), 1)
	equal(t, "warnings", len(result.Pictures[0].GetWarnings()), 1)
}

func TestOnlyTheHeadsOfARefinedPictureAreCorrected(t *testing.T) {
	f, g := open(t), request()
	g.Width, g.Height = new(int32(48)), new(int32(48))
	people(f, g, nil)
	f.detectFaces = found(face(8, 8, 1))
	f.answering(half)
	f.embedFaces = nil
	g.RefineFaces, g.Corrections = new(true), new(int32(1))
	if _, err := f.run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	heads := f.portraits()
	equal(t, "heads made", len(heads), 2)
	equal(t, "runs of the denoiser", len(requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")), 3)
	equal(t, "noise of the second", heads[1].GetIndex(), heads[0].GetIndex())
	most := map[string]int32{}
	for _, e := range f.seen {
		p := e.GetProgress()
		equal(t, "steps in all", p.GetSteps(), 75)
		most[p.GetStage()] = max(most[p.GetStage()], p.GetStep())
		if p.GetStage() == "correct" && e.GetPreview() != nil {
			t.Error("a head is shown as if it were the picture")
		}
	}
	equal(t, "step of refining", most["refine"], 26)
	equal(t, "step of correcting", most["correct"], 51)
}

func TestHeadsInPlaceAreCorrected(t *testing.T) {
	f, g := open(t), request()
	f.style(g, 1)
	people(f, g, nil)
	f.detectFaces, f.embedFaces, f.embedAllFaces = found(face(8, 8, 4)), nil, nil
	g.Height, g.InPlace, g.Prompt, g.Background = new(int32(32)), true, "", denoiserv1.Background_BACKGROUND_KEEP
	g.Corrections = new(int32(1))
	if _, err := f.run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	equal(t, "runs of the denoiser", len(requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")), 2)
}

func TestEveryTryIsCorrected(t *testing.T) {
	f, g := open(t), request()
	f.answering(half)
	g.BestOf, g.Corrections = new(int32(2)), new(int32(1))
	result, err := f.run(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.indices(); !slices.Equal(got, []uint32{0, 0, 1, 1}) {
		t.Errorf("made %v", got)
	}
	equal(t, "tries", len(result.Pictures[0].GetTries()), 2)
}

func TestAFaultOfACorrectionIsTheGenerations(t *testing.T) {
	f, g := open(t), request()
	f.answering(half)
	answer := f.denoise
	f.denoise = func(ctx context.Context, req *denoiserv1.DenoiseRequest) (events, error) {
		if askedFor(req) > wanted+1 {
			return nil, status(fault.Unavailable, 0, "")
		}
		return answer(ctx, req)
	}
	g.Corrections = new(int32(1))
	_, err := f.run(t.Context(), g)
	equal(t, "kind", fault.From(err).Kind, fault.Unavailable)
}
