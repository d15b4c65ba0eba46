package flow_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/provenance"
)

// likeness makes the results' similarity to the subject depend on the index of
// their noise: 0.1 with none told.
func (f *fixture) likeness(byIndex map[uint32]float32) {
	f.embedAllFaces = func(_ context.Context, req *encoderv1.EmbedAllFacesRequest) (*encoderv1.EmbedAllFacesResponse, error) {
		record, err := provenance.Read(req.GetPicture().GetData())
		if err != nil {
			return nil, err
		}
		s, ok := byIndex[record.Index]
		if !ok {
			s = 0.1
		}
		// The subject is (0.6, 0.8): s along it, the rest across.
		c := float32(1 - s*s)
		return &encoderv1.EmbedAllFacesResponse{Faces: []*encoderv1.EmbeddedFace{
			{Embedding: vector(0, 0.6*s-0.8*root(c), 0.8*s+0.6*root(c)), Face: face(4, 4, 0.5)},
		}}, nil
	}
}

func root(x float32) float32 {
	r := float32(1)
	for range 30 {
		r = (r + x/r) / 2
	}
	return r
}

// indices are the noise's indices of what was denoised, sorted.
func (f *fixture) indices() []uint32 {
	var out []uint32
	for _, req := range requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise") {
		out = append(out, req.GetIndex())
	}
	slices.Sort(out)
	return out
}

func TestTries(t *testing.T) {
	for name, c := range map[string]struct {
		ask     func(*gatewayv1.Generation)
		like    map[uint32]float32
		made    []uint32
		chosen  []int32
		tries   []int
		warning int
	}{
		"none asked for": {func(*gatewayv1.Generation) {}, nil, []uint32{0}, []int32{0}, []int{0}, 1},
		"best of 4": {
			func(g *gatewayv1.Generation) { g.BestOf = new(int32(4)) },
			map[uint32]float32{1: 0.5, 2: 0.7, 3: 0.6}, []uint32{0, 1, 2, 3}, []int32{2}, []int{4}, 0,
		},
		"of equal ones the first": {
			func(g *gatewayv1.Generation) { g.BestOf = new(int32(3)) },
			map[uint32]float32{0: 0.5, 1: 0.5, 2: 0.5}, []uint32{0, 1, 2}, []int32{0}, []int{3}, 0,
		},
		"best of 2, two pictures": {
			func(g *gatewayv1.Generation) { g.BestOf, g.PictureCount = new(int32(2)), new(int32(2)) },
			map[uint32]float32{0: 0.3, 1: 0.6, 2: 0.4, 3: 0.5}, []uint32{0, 1, 2, 3}, []int32{2, 1}, []int{2, 2}, 0,
		},
		"best of 2, two pictures, from the fifth on": {
			func(g *gatewayv1.Generation) {
				g.BestOf, g.PictureCount, g.FirstIndex = new(int32(2)), new(int32(2)), 5
			},
			map[uint32]float32{5: 0.3, 6: 0.6, 7: 0.4, 8: 0.5}, []uint32{5, 6, 7, 8}, []int32{7, 6}, []int{2, 2}, 0,
		},
		"similar at once": {
			func(g *gatewayv1.Generation) { g.MinSimilarity, g.MaxTries = new(float32(0.4)), new(int32(3)) },
			map[uint32]float32{0: 0.5}, []uint32{0}, []int32{0}, []int{1}, 0,
		},
		"similar at the third": {
			func(g *gatewayv1.Generation) { g.MinSimilarity, g.MaxTries = new(float32(0.4)), new(int32(3)) },
			map[uint32]float32{1: 0.2, 2: 0.5}, []uint32{0, 1, 2}, []int32{2}, []int{3}, 0,
		},
		"never similar": {
			func(g *gatewayv1.Generation) { g.MinSimilarity, g.MaxTries = new(float32(0.9)), new(int32(2)) },
			map[uint32]float32{1: 0.5, 2: 0.3}, []uint32{0, 1, 2}, []int32{1}, []int{3}, 1,
		},
		"best of 2, then similar": {
			func(g *gatewayv1.Generation) {
				g.BestOf, g.MinSimilarity, g.MaxTries = new(int32(2)), new(float32(0.6)), new(int32(4))
			},
			map[uint32]float32{0: 0.3, 1: 0.4, 2: 0.7}, []uint32{0, 1, 2}, []int32{2}, []int{3}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, g := open(t), request()
			f.likeness(c.like)
			c.ask(g)
			result, err := f.run(t.Context(), g)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.indices(); !slices.Equal(got, c.made) {
				t.Errorf("made %v, want %v", got, c.made)
			}
			for i, p := range result.Pictures {
				equal(t, "chosen", p.GetSeedIndex(), c.chosen[i])
				equal(t, "tries", len(p.GetTries()), c.tries[i])
				if i == 0 {
					equal(t, "warnings", len(p.GetWarnings()), c.warning)
				}
				data, err := f.blobs.Get(t.Context(), tenant, p.GetBlob())
				if err != nil {
					t.Fatal(err)
				}
				if record, err := provenance.Read(data); err != nil || int32(record.Index) != p.GetSeedIndex() {
					t.Errorf("record %+v, %v", record, err)
				}
				for _, one := range p.GetTries() {
					equal(t, "chosen", one.GetChosen(), one.GetSeedIndex() == p.GetSeedIndex())
					equal(t, "score", one.GetScore(), one.GetSimilarities()[0].GetSimilarity())
					if one.GetChosen() && one.GetScore() != p.GetFaces()[0].GetSimilarity() {
						t.Errorf("the kept try has score %v, its face %v", one.GetScore(), p.GetFaces()[0].GetSimilarity())
					}
				}
			}
			for _, e := range f.seen {
				if n := e.GetProgress().GetPicture(); n >= g.GetPictureCount() {
					t.Errorf("progress of picture %d of %d", n, g.GetPictureCount())
				}
			}
		})
	}
}

func TestCancelEndsTheTries(t *testing.T) {
	f, g := open(t), request()
	g.MinSimilarity, g.MaxTries = new(float32(0.9)), new(int32(8))
	f.likeness(nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var mu sync.Mutex
	calls := 0
	f.denoise = func(ctx context.Context, req *denoiserv1.DenoiseRequest) (events, error) {
		mu.Lock()
		calls++
		third := calls == 3
		mu.Unlock()
		if third {
			cancel(jobqueue.ErrCancelRequested)
			return nil, ctx.Err()
		}
		return made(req), nil
	}
	if _, err := f.run(ctx, g); !errors.Is(err, jobqueue.ErrCancelRequested) {
		t.Errorf("got %v", err)
	}
	equal(t, "calls", calls, 3)
}

func TestKeptPixelsMakeAComposite(t *testing.T) {
	f, g := open(t), request()
	f.style(g, 1)
	keep(g)
	result, err := f.run(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	data, err := f.blobs.Get(t.Context(), tenant, result.Pictures[0].GetBlob())
	if err != nil {
		t.Fatal(err)
	}
	record, err := provenance.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "source", record.Source, provenance.Composite)
}

func TestResultsSayHowTheyWereMade(t *testing.T) {
	for format, mediaType := range map[gatewayv1.OutputFormat]string{
		gatewayv1.OutputFormat_OUTPUT_FORMAT_UNSPECIFIED: "image/png",
		gatewayv1.OutputFormat_OUTPUT_FORMAT_PNG:         "image/png",
		gatewayv1.OutputFormat_OUTPUT_FORMAT_JPEG:        "image/jpeg",
		gatewayv1.OutputFormat_OUTPUT_FORMAT_WEBP:        "image/webp",
	} {
		t.Run(format.String(), func(t *testing.T) {
			f, g := open(t), request()
			g.OutputFormat = format
			g.PictureCount = new(int32(2))
			results := make([]flow.Result, 2)
			for i := range results {
				var err error
				if results[i], err = f.run(t.Context(), g); err != nil {
					t.Fatal(err)
				}
				g.PictureCount = new(int32(1))
			}
			first := results[0].Pictures[0].GetBlob()
			equal(t, "media type", first.GetMediaType(), mediaType)
			equal(t, "digest of the same picture, made alone", results[1].Pictures[0].GetBlob().GetSha256(), first.GetSha256())
			data, err := f.blobs.Get(t.Context(), tenant, results[0].Pictures[1].GetBlob())
			if err != nil {
				t.Fatal(err)
			}
			record, err := provenance.Read(data)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "index", record.Index, 1)
			equal(t, "noise", record.NoiseVersion, "noise/1")
			equal(t, "bundle", record.Bundle, provenance.Bundle{Name: "test", Version: "1.0.0", Digest: digest})
			equal(t, "source", record.Source, provenance.Trained)
			asked, err := record.Generation()
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "prompt", asked.GetPrompt(), "smiling")
			equal(t, "photo", asked.GetSubjects()[0].GetPhotos()[0].GetBlob().GetSha256(), provenance.Digest([]byte("photo")))
		})
	}
}
