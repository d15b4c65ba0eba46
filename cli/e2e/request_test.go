package e2e_test

import (
	"context"
	"errors"
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

// kinds are the ways to make a picture.
var kinds = []struct {
	name   string
	change []func(*gatewayv1.Generation)
}{
	{"image", nil},
	{"text", []func(*gatewayv1.Generation){prompted, unstyled}},
	{"hybrid", []func(*gatewayv1.Generation){prompted}},
	{"keep", []func(*gatewayv1.Generation){kept}},
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
