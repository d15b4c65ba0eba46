package denoiser_test

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
)

func TestBadRequests(t *testing.T) {
	client := dial(t)
	small, err := imaging.NewGray(8, 8).EncodePNG()
	if err != nil {
		t.Fatal(err)
	}
	_, style := stylePicture(t)
	keep := func(r *denoiserv1.DenoiseRequest) {
		r.Background = denoiserv1.Background_BACKGROUND_KEEP
		r.Style = inline(style)
		r.Identities[0].Mask = maskPicture(t, slices.Repeat([]float32{1}, 16))
	}
	strength := func(v float32) func(*denoiserv1.DenoiseRequest) {
		return func(r *denoiserv1.DenoiseRequest) { r.Strength, r.Style = &v, inline(style) }
	}
	const (
		invalid     = faultv1.Reason_REASON_INVALID_FIELD
		unsupported = faultv1.Reason_REASON_UNSUPPORTED_IMAGE
	)
	for _, c := range []struct {
		name, field string
		reason      faultv1.Reason
		change      func(*denoiserv1.DenoiseRequest)
	}{
		{"bundle", "bundle", faultv1.Reason_REASON_BUNDLE_MISMATCH, func(r *denoiserv1.DenoiseRequest) { r.Bundle = "other" }},
		{"steps below", "steps", invalid, func(r *denoiserv1.DenoiseRequest) { r.Steps = -1 }},
		{"steps above", "steps", invalid, func(r *denoiserv1.DenoiseRequest) { r.Steps = 101 }},
		{"scale below", "guidance_scale", invalid, func(r *denoiserv1.DenoiseRequest) { r.GuidanceScale = 0.5 }},
		{"scale above", "guidance_scale", invalid, func(r *denoiserv1.DenoiseRequest) { r.GuidanceScale = 16 }},
		{"scale undefined", "guidance_scale", invalid, func(r *denoiserv1.DenoiseRequest) { r.GuidanceScale = float32(math.NaN()) }},
		{"alpha above", "alpha", invalid, func(r *denoiserv1.DenoiseRequest) { r.Alpha = 1.5 }},
		{"alpha below", "alpha", invalid, func(r *denoiserv1.DenoiseRequest) { r.Alpha = -0.1 }},
		{"alpha undefined", "alpha", invalid, func(r *denoiserv1.DenoiseRequest) { r.Alpha = float32(math.NaN()) }},
		{"own alpha above", "identities[0].alpha", invalid, func(r *denoiserv1.DenoiseRequest) { r.Identities[0].Alpha = new(float32(1.5)) }},
		{"own alpha undefined", "identities[0].alpha", invalid, func(r *denoiserv1.DenoiseRequest) { r.Identities[0].Alpha = new(float32(math.NaN())) }},
		{"own alpha, no text", "text_image_embedding", invalid, func(r *denoiserv1.DenoiseRequest) { r.Identities[0].Alpha = new(float32(0.5)) }},
		{"preview", "preview_every", invalid, func(r *denoiserv1.DenoiseRequest) { r.PreviewEvery = -1 }},
		{"width", "width", invalid, func(r *denoiserv1.DenoiseRequest) { r.Width = 33 }},
		{"height", "height", invalid, func(r *denoiserv1.DenoiseRequest) { r.Height = 1 << 20 }},
		{"height below", "height", invalid, func(r *denoiserv1.DenoiseRequest) { r.Height = -16 }},
		{"nothing", "image_embedding", faultv1.Reason_REASON_NOTHING_TO_MAKE, func(r *denoiserv1.DenoiseRequest) { r.ImageEmbedding = nil }},
		{"no style", "image_embedding", invalid, func(r *denoiserv1.DenoiseRequest) { r.TextImageEmbedding, r.ImageEmbedding = r.ImageEmbedding, nil }},
		{"no text", "text_image_embedding", invalid, func(r *denoiserv1.DenoiseRequest) { r.Alpha = 0.5 }},
		{"style width", "image_embedding", invalid, func(r *denoiserv1.DenoiseRequest) { r.ImageEmbedding = vector(t, []float32{1}) }},
		{"style undefined", "image_embedding", invalid, func(r *denoiserv1.DenoiseRequest) {
			r.ImageEmbedding = vector(t, slices.Repeat([]float32{float32(math.NaN())}, 48))
		}},
		{"background", "background", invalid, func(r *denoiserv1.DenoiseRequest) { r.Background = 9 }},
		{"nobody", "identities", invalid, func(r *denoiserv1.DenoiseRequest) { r.Identities = nil }},
		{"nine", "identities", faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, func(r *denoiserv1.DenoiseRequest) {
			r.Identities = slices.Repeat(r.Identities, 9)
		}},
		{"face width", "identities[0].face_embedding", invalid, func(r *denoiserv1.DenoiseRequest) {
			r.Identities[0].FaceEmbedding = vector(t, []float32{1})
		}},
		{"face length", "identities[0].face_embedding", invalid, func(r *denoiserv1.DenoiseRequest) {
			r.Identities[0].FaceEmbedding = vector(t, slices.Repeat([]float32{1}, 32))
		}},
		{"mask bytes", "identities[0].mask", unsupported, func(r *denoiserv1.DenoiseRequest) { r.Identities[0].Mask = inline([]byte("mask")) }},
		{"mask empty", "identities[0].mask", unsupported, func(r *denoiserv1.DenoiseRequest) { r.Identities[0].Mask = inline(nil) }},
		{"mask size", "identities[0].mask", invalid, func(r *denoiserv1.DenoiseRequest) { r.Identities[0].Mask = inline(small) }},
		{"mask gone", "identities[0].mask.sha256", faultv1.Reason_REASON_BLOB_MISSING, func(r *denoiserv1.DenoiseRequest) {
			r.Identities[0].Mask = &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: &mediav1.Blob{
				Sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Size: 1,
			}}}
		}},
		{"sampler", "sampler", invalid, func(r *denoiserv1.DenoiseRequest) { r.Sampler = 99 }},
		{"karras", "karras_sigmas", invalid, func(r *denoiserv1.DenoiseRequest) { r.KarrasSigmas = true }},
		{"karras of ddim", "karras_sigmas", invalid, func(r *denoiserv1.DenoiseRequest) {
			r.KarrasSigmas, r.Sampler = true, denoiserv1.Sampler_SAMPLER_DDIM
		}},
		{"strength none", "strength", invalid, strength(0)},
		{"strength below", "strength", invalid, strength(-0.5)},
		{"strength above", "strength", invalid, strength(1.01)},
		{"strength undefined", "strength", invalid, strength(float32(math.NaN()))},
		{"strength too small", "strength", invalid, strength(0.3)},
		{"strength without style", "style", invalid, func(r *denoiserv1.DenoiseRequest) { strength(1)(r); r.Style = nil }},
		{"strength style size", "style", invalid, func(r *denoiserv1.DenoiseRequest) { strength(1)(r); r.Style = inline(small) }},
		{"keep without style", "style", invalid, func(r *denoiserv1.DenoiseRequest) { keep(r); r.Style = nil }},
		{"keep without mask", "identities[0].mask", invalid, func(r *denoiserv1.DenoiseRequest) { keep(r); r.Identities[0].Mask = nil }},
		{"style size", "style", invalid, func(r *denoiserv1.DenoiseRequest) { keep(r); r.Style = inline(small) }},
		{"style truncated", "style", unsupported, func(r *denoiserv1.DenoiseRequest) { keep(r); r.Style = inline(style[:len(style)/2]) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := request(t)
			c.change(req)
			_, _, err := try(t, client, req)
			if f := fault.From(err); err == nil || f.Field != c.field || f.Reason != c.reason || f.Message == "" {
				t.Errorf("got %v", err)
			}
		})
	}
	denoise(t, client, request(t))
}

func TestCancelEndsWithinAStep(t *testing.T) {
	client := dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := request(t)
	req.Steps = 100
	stream, err := client.Denoise(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil {
		_, err = stream.Recv()
	}
	if errors.Is(err, io.EOF) || !fault.Is(err, faultv1.Reason_REASON_CANCELLED) {
		t.Errorf("got %v", err)
	}
	// The scheduler has let go: another request is served.
	denoise(t, client, request(t))
}

func TestDeadlineEndsAGeneration(t *testing.T) {
	client := dial(t)
	req := request(t)
	req.Steps, req.Width, req.Height = 100, 64, 64
	err := io.EOF
	// A fast machine that makes it in time gets less.
	for within := 20 * time.Millisecond; errors.Is(err, io.EOF); within /= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		var stream grpc.ServerStreamingClient[denoiserv1.DenoiseResponse]
		for stream, err = client.Denoise(ctx, req); err == nil; {
			_, err = stream.Recv()
		}
		cancel()
	}
	if !fault.Is(err, faultv1.Reason_REASON_DEADLINE_PASSED) {
		t.Errorf("got %v", err)
	}
}
