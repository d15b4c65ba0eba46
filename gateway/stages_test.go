package gateway_test

import (
	"context"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/provenance"
	"github.com/facestudio/facestudio/services/tensor"
)

// stages are hand-written services of all four stages, in place of models.
type stages struct {
	t        testing.TB
	denoised atomic.Int32
	// hold, when set, is waited for by every denoising.
	hold chan struct{}
	// begun gets a value when a denoising begins.
	begun chan struct{}
}

func newStages(tb testing.TB) *stages {
	tb.Helper()
	return &stages{t: tb, begun: make(chan struct{}, 64)}
}

// register registers the services of one stage.
func (s *stages) register(stage string, to grpc.ServiceRegistrar) {
	switch stage {
	case "encoder":
		encoderv1.RegisterEncoderServiceServer(to, encoder{stages: s})
	case "prior":
		priorv1.RegisterPriorServiceServer(to, prior{stages: s})
	case "segmenter":
		segmenterv1.RegisterSegmenterServiceServer(to, segmenter{stages: s})
	case "denoiser":
		denoiserv1.RegisterDenoiserServiceServer(to, denoiser{stages: s})
	}
}

func (s *stages) calledBy(ctx context.Context) {
	if call, ok := jobqueue.CallFrom(ctx); !ok || call.Tenant != "default" || call.Class != jobqueue.Interactive {
		s.t.Errorf("a stage is called by %+v", call)
	}
}

func vector(shape ...int64) *mediav1.Tensor {
	t := tensor.New(shape...)
	t.Data[0] = 1
	return tensor.ToProto(t)
}

func inline(data []byte) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}
}

type encoder struct {
	encoderv1.UnimplementedEncoderServiceServer
	*stages
}

func (e encoder) EmbedImages(ctx context.Context, _ *encoderv1.EmbedImagesRequest) (*encoderv1.EmbedImagesResponse, error) {
	e.calledBy(ctx)
	return &encoderv1.EmbedImagesResponse{Embeddings: vector(1, 3)}, nil
}

func (e encoder) EmbedTexts(ctx context.Context, _ *encoderv1.EmbedTextsRequest) (*encoderv1.EmbedTextsResponse, error) {
	e.calledBy(ctx)
	return &encoderv1.EmbedTextsResponse{Embeddings: vector(1, 2)}, nil
}

func (e encoder) DetectFaces(ctx context.Context, _ *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
	e.calledBy(ctx)
	return &encoderv1.DetectFacesResponse{
		Faces: []*mediav1.Face{{Box: &mediav1.Box{X: 40, Y: 40, Width: 48, Height: 48}}}, Width: 128, Height: 128,
	}, nil
}

func (e encoder) EmbedFaces(ctx context.Context, req *encoderv1.EmbedFacesRequest) (*encoderv1.EmbedFacesResponse, error) {
	e.calledBy(ctx)
	response := new(encoderv1.EmbedFacesResponse)
	for range req.GetPhotos() {
		response.Faces = append(response.Faces, &encoderv1.EmbeddedFace{Embedding: vector(4), Face: &mediav1.Face{}})
	}
	return response, nil
}

func (e encoder) EmbedAllFaces(ctx context.Context, _ *encoderv1.EmbedAllFacesRequest) (*encoderv1.EmbedAllFacesResponse, error) {
	e.calledBy(ctx)
	return &encoderv1.EmbedAllFacesResponse{Faces: []*encoderv1.EmbeddedFace{{Embedding: vector(4), Face: &mediav1.Face{}}}}, nil
}

type prior struct {
	priorv1.UnimplementedPriorServiceServer
	*stages
}

func (p prior) EmbedImage(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	p.calledBy(ctx)
	return &priorv1.EmbedImageResponse{Embedding: vector(3)}, nil
}

type segmenter struct {
	segmenterv1.UnimplementedSegmenterServiceServer
	*stages
}

func (s segmenter) SegmentPeople(ctx context.Context, _ *segmenterv1.SegmentPeopleRequest) (*segmenterv1.SegmentPeopleResponse, error) {
	s.calledBy(ctx)
	return &segmenterv1.SegmentPeopleResponse{Masks: []*mediav1.Picture{inline([]byte("mask"))}}, nil
}

type denoiser struct {
	denoiserv1.UnimplementedDenoiserServiceServer
	*stages
}

func (d denoiser) Denoise(req *denoiserv1.DenoiseRequest, stream grpc.ServerStreamingServer[denoiserv1.DenoiseResponse]) error {
	ctx := stream.Context()
	d.calledBy(ctx)
	d.denoised.Add(1)
	select {
	case d.begun <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if d.hold != nil {
		select {
		case <-d.hold:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	progress := &denoiserv1.DenoiseResponse_Progress{Progress: &denoiserv1.Progress{Step: 1, Steps: req.GetSteps()}}
	if err := stream.Send(&denoiserv1.DenoiseResponse{Event: progress}); err != nil {
		return err
	}
	picture, err := painted(req)
	if err != nil {
		return err
	}
	return stream.Send(&denoiserv1.DenoiseResponse{Event: &denoiserv1.DenoiseResponse_Result{Result: &denoiserv1.DenoiseResult{
		Picture: picture, Width: req.GetWidth(), Height: req.GetHeight(),
	}}})
}

// painted is a black picture with the record that the denoiser leaves.
func painted(req *denoiserv1.DenoiseRequest) (*mediav1.Picture, error) {
	data, err := imaging.EncodePNG(imaging.NewRGB(int(req.GetWidth()), int(req.GetHeight())), nil)
	if err != nil {
		return nil, err
	}
	data, err = provenance.Sign(data, provenance.Record{Request: []byte(`{}`), Index: req.GetIndex(), Source: provenance.Trained})
	return inline(data), err
}
