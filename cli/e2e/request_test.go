package e2e_test

import (
	"context"
	"errors"
	"image"
	"io"
	"testing"

	"google.golang.org/grpc"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func inline(data []byte) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}
}

// request is a generation by a style picture with a fixed seed; more changes it.
func request(t *testing.T, more ...func(*gatewayv1.Generation)) *gatewayv1.Generation {
	t.Helper()
	g := &gatewayv1.Generation{
		Subjects: []*gatewayv1.GenerationSubject{{Photos: []*mediav1.Picture{inline(example(t, "amara"))}}},
		Style:    inline(example(t, "erik")),
		Seed:     new(uint64(7)),
		Steps:    new(int32(4)),
	}
	for _, change := range more {
		change(g)
	}
	return g
}

func prompted(g *gatewayv1.Generation) { g.Prompt = "a smiling person with black hair" }
func unstyled(g *gatewayv1.Generation) { g.Style = nil }
func kept(g *gatewayv1.Generation)     { g.Background = denoiserv1.Background_BACKGROUND_KEEP }

func asJPEG(g *gatewayv1.Generation)    { g.OutputFormat = gatewayv1.OutputFormat_OUTPUT_FORMAT_JPEG }
func asWebP(g *gatewayv1.Generation)    { g.OutputFormat = gatewayv1.OutputFormat_OUTPUT_FORMAT_WEBP }
func bestOfTwo(g *gatewayv1.Generation) { g.BestOf = new(int32(2)) }

func seeded(seed uint64) func(*gatewayv1.Generation) {
	return func(g *gatewayv1.Generation) { g.Seed = &seed }
}

// kinds are the ways to make a picture.
var kinds = []struct {
	name   string
	change []func(*gatewayv1.Generation)
}{
	{"image", nil},
	{"text", []func(*gatewayv1.Generation){prompted, unstyled}},
	{"hybrid", []func(*gatewayv1.Generation){prompted}},
	{"keep", []func(*gatewayv1.Generation){kept}},
	{"JPEG", []func(*gatewayv1.Generation){asJPEG, seeded(11)}},
	{"WebP, best of two", []func(*gatewayv1.Generation){asWebP, bestOfTwo, seeded(12)}},
	{"two people", []func(*gatewayv1.Generation){two}},
	{"two people by words", []func(*gatewayv1.Generation){two, prompted, onTheCanvas}},
	{"mix", []func(*gatewayv1.Generation){mixed}},
	{"from the style", []func(*gatewayv1.Generation){fromStyle}},
	{"own alphas", []func(*gatewayv1.Generation){two, prompted, ownAlphas}},
	{"Euler", []func(*gatewayv1.Generation){sampled(denoiserv1.Sampler_SAMPLER_EULER, false)}},
	{"DDIM", []func(*gatewayv1.Generation){sampled(denoiserv1.Sampler_SAMPLER_DDIM, false)}},
	{"UniPC", []func(*gatewayv1.Generation){sampled(denoiserv1.Sampler_SAMPLER_UNIPC, true)}},
	{"tall", []func(*gatewayv1.Generation){tall}},
	{"two pictures, tried twice", []func(*gatewayv1.Generation){triedTwice, seeded(13)}},
}

// two puts two people, the second of several photos and the first by a point,
// into a style picture of two.
func two(g *gatewayv1.Generation) {
	g.Subjects = append(g.Subjects, &gatewayv1.GenerationSubject{
		Name: "mei", Photos: []*mediav1.Picture{inline(mustExample("mei")), inline(mustExample("mei"))}, Alpha: new(float32(1)),
	})
	g.Subjects[0].At = &gatewayv1.Placement{Where: &gatewayv1.Placement_Point{Point: &mediav1.Point{X: 192, Y: 64}}}
	g.Style = inline(couple())
	g.Width, g.Height = new(int32(64)), new(int32(32))
}

// onTheCanvas places the people by a box and a mask, with words alone.
func onTheCanvas(g *gatewayv1.Generation) {
	g.Style = nil
	g.Subjects[0].At = &gatewayv1.Placement{Where: &gatewayv1.Placement_Box{Box: &mediav1.Box{X: 32, Width: 32, Height: 32}}}
	g.Subjects[1].At = &gatewayv1.Placement{Where: &gatewayv1.Placement_Mask{Mask: inline(maskOf(64, 32, image.Rect(0, 0, 32, 32)))}}
	g.Subjects[1].Alpha = nil
	g.Background = denoiserv1.Background_BACKGROUND_MEAN
}

// mixed makes the person a mix of two.
func mixed(g *gatewayv1.Generation) {
	g.Subjects = []*gatewayv1.GenerationSubject{{Mix: []*gatewayv1.MixPart{
		{Photos: g.GetSubjects()[0].GetPhotos(), Weight: 3}, {Photos: []*mediav1.Picture{inline(mustExample("mei"))}, Weight: 1},
	}}}
}

// fromStyle starts from the style picture, by another sampler.
func fromStyle(g *gatewayv1.Generation) {
	g.Strength = new(float32(0.5))
	g.Sampler, g.KarrasSigmas = denoiserv1.Sampler_SAMPLER_DPMPP_2M, true
}

// ownAlphas weighs the style for each of two people alone.
func ownAlphas(g *gatewayv1.Generation) {
	g.Subjects[0].Alpha, g.Subjects[1].Alpha = new(float32(0.25)), new(float32(0.75))
}

func sampled(sampler denoiserv1.Sampler, karras bool) func(*gatewayv1.Generation) {
	return func(g *gatewayv1.Generation) { g.Sampler, g.KarrasSigmas = sampler, karras }
}

func tall(g *gatewayv1.Generation) { g.Width, g.Height = new(int32(32)), new(int32(64)) }

// triedTwice wants more likeness than the tiny bundle's noise has, so that every
// picture is made anew.
func triedTwice(g *gatewayv1.Generation) {
	g.PictureCount, g.MinSimilarity, g.MaxTries = new(int32(2)), new(float32(1)), new(int32(1))
}

// pictures makes a generation and returns its pictures.
func pictures(t *testing.T, client gatewayv1.GenerationServiceClient, g *gatewayv1.Generation) [][]byte {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	created, err := client.CreateGeneration(ctx, &gatewayv1.CreateGenerationRequest{Generation: g})
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	return fetch(t, client, await(t, client, created.GetName(), nil))
}

// await follows a generation to its end, through restarts of the gateway. each,
// if not nil, sees every progress.
func await(t *testing.T, client gatewayv1.GenerationServiceClient, name string, each func(*gatewayv1.Progress)) *gatewayv1.Generation {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	for {
		stream, err := client.WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{Name: name}, grpc.WaitForReady(true))
		for err == nil {
			var event *gatewayv1.WatchGenerationResponse
			if event, err = stream.Recv(); err != nil {
				break
			}
			g := event.GetGeneration()
			switch g.GetState() {
			case gatewayv1.State_STATE_SUCCEEDED, gatewayv1.State_STATE_FAILED, gatewayv1.State_STATE_CANCELLED:
				return g
			}
			for _, p := range []*gatewayv1.Progress{g.GetProgress(), event.GetProgress().GetProgress()} {
				if p != nil && each != nil {
					each(p)
				}
			}
		}
		if !errors.Is(err, io.EOF) && fault.From(err).Kind != fault.Unavailable {
			t.Fatalf("watch: %v", err)
		}
	}
}

// fetch returns the pictures of a generation that must have succeeded.
func fetch(t *testing.T, client gatewayv1.GenerationServiceClient, g *gatewayv1.Generation) [][]byte {
	t.Helper()
	if g.GetState() != gatewayv1.State_STATE_SUCCEEDED {
		t.Fatalf("%s is %v: %v", g.GetName(), g.GetState(), g.GetFault())
	}
	out := make([][]byte, 0, len(g.GetPictures()))
	for _, p := range g.GetPictures() {
		got, err := client.GetPicture(t.Context(), &gatewayv1.GetPictureRequest{Name: p.GetName()})
		if err != nil {
			t.Fatalf("get %s: %v", p.GetName(), err)
		}
		out = append(out, got.GetData())
	}
	if len(out) == 0 {
		t.Fatalf("%s has no pictures", g.GetName())
	}
	return out
}
