package prior_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"

	prior "github.com/facestudio/facestudio/prior-svc"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit/stage"
)

func dial(t *testing.T) priorv1.PriorServiceClient {
	t.Helper()
	return priorv1.NewPriorServiceClient(stage.Dial(t, stage.Build(t, prior.Build, stage.Env(t))))
}

type goldenFile struct {
	Tolerance float64
	Text      []float32 `json:"text_embed"`
	Seed      string
	Picture   uint32
	X0        []float32
}

func golden(t *testing.T) (goldenFile, *priorv1.EmbedImageRequest) {
	t.Helper()
	data, err := os.ReadFile("testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	var file goldenFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	seed, err := strconv.ParseUint(file.Seed, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return file, &priorv1.EmbedImageRequest{TextEmbedding: vector(t, file.Text), Seed: seed, Index: file.Picture}
}

func vector(t *testing.T, v []float32) *mediav1.Tensor {
	t.Helper()
	row, err := tensor.From(v, int64(len(v)))
	if err != nil {
		t.Fatal(err)
	}
	return tensor.ToProto(row)
}

func embed(t *testing.T, client priorv1.PriorServiceClient, req *priorv1.EmbedImageRequest) []float32 {
	t.Helper()
	res, err := client.EmbedImage(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	row, err := tensor.FromProto(res.GetEmbedding())
	if err != nil {
		t.Fatal(err)
	}
	return row.Data
}

func TestGolden(t *testing.T) {
	file, req := golden(t)
	got := embed(t, dial(t), req)
	if len(got) != len(file.X0) {
		t.Fatalf("%d values, want %d", len(got), len(file.X0))
	}
	for i, want := range file.X0 {
		if d := math.Abs(float64(got[i]) - float64(want)); d > file.Tolerance*max(1, math.Abs(float64(want))) {
			t.Fatalf("value %d is %g, want %g", i, got[i], want)
		}
	}
}

func TestResultDependsOnTheRequestAlone(t *testing.T) {
	client := dial(t)
	_, req := golden(t)
	first := embed(t, client, req)
	if !slices.Equal(first, embed(t, client, req)) {
		t.Error("the same request gave two results")
	}
	for name, change := range map[string]func(*priorv1.EmbedImageRequest){
		"seed":           func(r *priorv1.EmbedImageRequest) { r.Seed++ },
		"index":          func(r *priorv1.EmbedImageRequest) { r.Index++ },
		"steps":          func(r *priorv1.EmbedImageRequest) { r.Steps = 3 },
		"guidance_scale": func(r *priorv1.EmbedImageRequest) { r.GuidanceScale = 1 },
	} {
		other := proto.CloneOf(req)
		change(other)
		if slices.Equal(first, embed(t, client, other)) {
			t.Errorf("%s does not matter", name)
		}
	}
}

func TestBadRequests(t *testing.T) {
	client := dial(t)
	for _, c := range []struct {
		field  string
		reason faultv1.Reason
		change func(*priorv1.EmbedImageRequest)
	}{
		{"text_embedding", faultv1.Reason_REASON_INVALID_FIELD, func(r *priorv1.EmbedImageRequest) { r.TextEmbedding = nil }},
		{"text_embedding", faultv1.Reason_REASON_INVALID_FIELD, func(r *priorv1.EmbedImageRequest) { r.TextEmbedding.Shape[0]++ }},
		{"text_embedding", faultv1.Reason_REASON_INVALID_FIELD, func(r *priorv1.EmbedImageRequest) { r.TextEmbedding = vector(t, []float32{1, 2}) }},
		{"text_embedding", faultv1.Reason_REASON_INVALID_FIELD, func(r *priorv1.EmbedImageRequest) {
			r.TextEmbedding = vector(t, slices.Repeat([]float32{float32(math.Inf(1))}, 16))
		}},
		{"steps", faultv1.Reason_REASON_INVALID_FIELD, func(r *priorv1.EmbedImageRequest) { r.Steps = -1 }},
		{"steps", faultv1.Reason_REASON_INVALID_FIELD, func(r *priorv1.EmbedImageRequest) { r.Steps = 101 }},
		{"guidance_scale", faultv1.Reason_REASON_INVALID_FIELD, func(r *priorv1.EmbedImageRequest) { r.GuidanceScale = -1 }},
		{"guidance_scale", faultv1.Reason_REASON_INVALID_FIELD, func(r *priorv1.EmbedImageRequest) { r.GuidanceScale = float32(math.NaN()) }},
		{"bundle", faultv1.Reason_REASON_BUNDLE_MISMATCH, func(r *priorv1.EmbedImageRequest) { r.Bundle = "other" }},
	} {
		_, req := golden(t)
		c.change(req)
		_, err := client.EmbedImage(t.Context(), req)
		if f := fault.From(err); err == nil || f.Field != c.field || f.Reason != c.reason {
			t.Errorf("%s: got %v", c.field, err)
		}
	}
	_, req := golden(t)
	embed(t, client, req)
}
