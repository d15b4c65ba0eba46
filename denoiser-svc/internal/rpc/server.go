// Package rpc serves denoiser.v1: messages in, domain, messages out.
package rpc

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/denoiser-svc/internal/paint"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/seal"
)

// Blobs gives and takes the bytes of pictures.
type Blobs interface {
	Picture(ctx context.Context, tenant string, p *mediav1.Picture) ([]byte, error)
	PutPicture(ctx context.Context, tenant, retention string, data []byte, mediaType string) (*mediav1.Picture, error)
	Save(ctx context.Context, of seal.Scope, name string, data []byte) error
	Saved(ctx context.Context, tenant, name string) ([]byte, bool, error)
	Forget(ctx context.Context, tenant, name string) error
}

// Painter makes pictures.
type Painter interface {
	Paint(ctx context.Context, j *paint.Job, c paint.Checkpoints, report func(paint.Progress) error) ([]byte, error)
}

// Server implements denoiser.v1. All its fields are needed.
type Server struct {
	denoiserv1.UnimplementedDenoiserServiceServer

	Bundle  *bundle.Bundle
	Blobs   Blobs
	Painter Painter
	Log     *slog.Logger
}

// Denoise implements denoiser.v1.
func (s *Server) Denoise(req *denoiserv1.DenoiseRequest, stream grpc.ServerStreamingServer[denoiserv1.DenoiseResponse]) (err error) {
	ctx := stream.Context()
	call, _ := jobqueue.CallFrom(ctx)
	job, err := s.job(ctx, call.Tenant, req)
	if err != nil {
		return err
	}
	var checkpoints paint.Checkpoints
	if c := s.checkpoint(call, req); c != nil {
		checkpoints = c
		defer func() { c.end(ctx, err) }()
	}
	png, err := s.Painter.Paint(ctx, job, checkpoints, func(p paint.Progress) error { return stream.Send(progress(p)) })
	if err != nil {
		return err
	}
	picture, err := s.Blobs.PutPicture(ctx, call.Tenant, blob.Week, png, "image/png")
	if err != nil {
		return err
	}
	return stream.Send(&denoiserv1.DenoiseResponse{Event: &denoiserv1.DenoiseResponse_Result{Result: &denoiserv1.DenoiseResult{
		Picture: picture, Width: int32(job.Width), Height: int32(job.Height), NoiseVersion: diffusion.NoiseVersion,
	}}})
}

func progress(p paint.Progress) *denoiserv1.DenoiseResponse {
	event := &denoiserv1.Progress{Step: int32(p.Step), Steps: int32(p.Steps)}
	if p.Preview != nil {
		event.Preview = &mediav1.Picture{Source: &mediav1.Picture_Data{Data: p.Preview}}
	}
	return &denoiserv1.DenoiseResponse{Event: &denoiserv1.DenoiseResponse_Progress{Progress: event}}
}
