package denoiser_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	denoiser "github.com/facestudio/facestudio/denoiser-svc"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/stage"
)

// scale is of classifier-free guidance, which takes two predictions a step.
const scale = 3

// BenchmarkDenoise makes pictures of the default size with guidance, through
// gRPC in memory, by the bundle in FACESTUDIO_BUNDLE (the tiny one without it)
// on all processors. wall/run is the time of a picture over the time in which
// ONNX Runtime was at work for it.
func BenchmarkDenoise(b *testing.B) {
	for _, steps := range []int32{1, 25} {
		b.Run(fmt.Sprintf("steps=%d", steps), func(b *testing.B) { benchmark(b, steps) })
	}
}

func benchmark(b *testing.B, steps int32) {
	b.Helper()
	env := stage.Env(b)
	env.Threads = runtime.NumCPU()
	if dir := os.Getenv("FACESTUDIO_BUNDLE"); dir != "" {
		opened, err := bundle.Open(dir, bundle.Options{Cache: testkit.ModelCache(b)})
		if err != nil {
			b.Fatal(err)
		}
		env.Bundle = opened
	}
	client := denoiserv1.NewDenoiserServiceClient(stage.Dial(b, stage.Build(b, denoiser.Build, env)))
	widths := env.Bundle.Manifest.Embeddings
	style, err := tensor.From(slices.Repeat([]float32{1}, widths.Image), int64(widths.Image))
	if err != nil {
		b.Fatal(err)
	}
	face := tensor.New(int64(widths.Face))
	face.Data[0] = 1
	req := &denoiserv1.DenoiseRequest{
		Steps: steps, GuidanceScale: scale, Alpha: 1, ImageEmbedding: tensor.ToProto(style),
		Identities: []*denoiserv1.Identity{{FaceEmbedding: tensor.ToProto(face)}},
	}
	run, begin := env.Runtime.Busy(), time.Now()
	for b.Loop() {
		req.Seed++
		stream, err := client.Denoise(context.Background(), req)
		if err != nil {
			b.Fatal(err)
		}
		for {
			res, err := stream.Recv()
			if err != nil {
				b.Fatal(err)
			}
			if res.GetResult() != nil {
				break
			}
		}
	}
	b.ReportMetric(float64(time.Since(begin))/float64(env.Runtime.Busy()-run), "wall/run")
}
