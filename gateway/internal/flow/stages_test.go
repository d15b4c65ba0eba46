package flow_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/facestudio/facestudio/gateway/internal/flow"
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

// call is one call of a stage as it was made.
type call struct {
	method string
	meta   jobqueue.Call
	req    proto.Message
}

// stages are hand-written stages: a func for each method, and a note of the
// calls. What is not set answers as a healthy stage would.
type stages struct {
	embedImages   func(context.Context, *encoderv1.EmbedImagesRequest) (*encoderv1.EmbedImagesResponse, error)
	embedTexts    func(context.Context, *encoderv1.EmbedTextsRequest) (*encoderv1.EmbedTextsResponse, error)
	detectFaces   func(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error)
	embedFaces    func(context.Context, *encoderv1.EmbedFacesRequest) (*encoderv1.EmbedFacesResponse, error)
	embedAllFaces func(context.Context, *encoderv1.EmbedAllFacesRequest) (*encoderv1.EmbedAllFacesResponse, error)
	embedImage    func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error)
	segment       func(context.Context, *segmenterv1.SegmentPeopleRequest) (*segmenterv1.SegmentPeopleResponse, error)
	denoise       func(context.Context, *denoiserv1.DenoiseRequest) (events, error)

	mu    sync.Mutex
	calls []call
}

func (s *stages) connect() flow.Stages {
	return flow.Stages{Encoder: encoder{s}, Prior: prior{s}, Segmenter: segmenter{s}, Denoiser: denoiser{s}}
}

func (s *stages) note(ctx context.Context, method string, req proto.Message) {
	meta, _ := jobqueue.CallFrom(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call{method, meta, req})
}

// methods lists the methods that were called, sorted.
func (s *stages) methods() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.calls))
	for _, c := range s.calls {
		names = append(names, c.method)
	}
	slices.Sort(names)
	return names
}

// requestsOf returns the requests of a method in the order of their calls.
func requestsOf[T proto.Message](s *stages, method string) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var reqs []T
	for _, c := range s.calls {
		if c.method == method {
			reqs = append(reqs, c.req.(T))
		}
	}
	return reqs
}

type encoder struct{ *stages }

func (e encoder) EmbedImages(ctx context.Context, req *encoderv1.EmbedImagesRequest, _ ...grpc.CallOption) (*encoderv1.EmbedImagesResponse, error) {
	e.note(ctx, "EmbedImages", req)
	if e.embedImages != nil {
		return e.embedImages(ctx, req)
	}
	n := len(req.GetImages())
	return &encoderv1.EmbedImagesResponse{Embeddings: vector(int64(n), slices.Repeat([]float32{1, 2, 3}, n)...)}, nil
}

func (e encoder) EmbedTexts(ctx context.Context, req *encoderv1.EmbedTextsRequest, _ ...grpc.CallOption) (*encoderv1.EmbedTextsResponse, error) {
	e.note(ctx, "EmbedTexts", req)
	if e.embedTexts != nil {
		return e.embedTexts(ctx, req)
	}
	return &encoderv1.EmbedTextsResponse{Embeddings: vector(1, 4, 5)}, nil
}

func (e encoder) DetectFaces(ctx context.Context, req *encoderv1.DetectFacesRequest, _ ...grpc.CallOption) (*encoderv1.DetectFacesResponse, error) {
	e.note(ctx, "DetectFaces", req)
	if e.detectFaces != nil {
		return e.detectFaces(ctx, req)
	}
	return &encoderv1.DetectFacesResponse{Faces: []*mediav1.Face{face(100, 100, 1)}, Width: 256, Height: 256}, nil
}

func (e encoder) EmbedFaces(ctx context.Context, req *encoderv1.EmbedFacesRequest, _ ...grpc.CallOption) (*encoderv1.EmbedFacesResponse, error) {
	e.note(ctx, "EmbedFaces", req)
	if e.embedFaces != nil {
		return e.embedFaces(ctx, req)
	}
	response := new(encoderv1.EmbedFacesResponse)
	for range req.GetPhotos() {
		response.Faces = append(response.Faces, &encoderv1.EmbeddedFace{Embedding: vector(0, 0.6, 0.8), Face: face(10, 10, 1)})
	}
	return response, nil
}

func (e encoder) EmbedAllFaces(ctx context.Context, req *encoderv1.EmbedAllFacesRequest, _ ...grpc.CallOption) (*encoderv1.EmbedAllFacesResponse, error) {
	e.note(ctx, "EmbedAllFaces", req)
	if e.embedAllFaces != nil {
		return e.embedAllFaces(ctx, req)
	}
	return &encoderv1.EmbedAllFacesResponse{Faces: []*encoderv1.EmbeddedFace{{Embedding: vector(0, 0.6, 0.8), Face: face(10, 10, 1)}}}, nil
}

type prior struct{ *stages }

func (p prior) EmbedImage(ctx context.Context, req *priorv1.EmbedImageRequest, _ ...grpc.CallOption) (*priorv1.EmbedImageResponse, error) {
	p.note(ctx, "EmbedImage", req)
	if p.embedImage != nil {
		return p.embedImage(ctx, req)
	}
	return &priorv1.EmbedImageResponse{Embedding: vector(0, 7, 8, 9)}, nil
}

type segmenter struct{ *stages }

func (s segmenter) SegmentPeople(ctx context.Context, req *segmenterv1.SegmentPeopleRequest, _ ...grpc.CallOption) (*segmenterv1.SegmentPeopleResponse, error) {
	s.note(ctx, "SegmentPeople", req)
	if s.segment != nil {
		return s.segment(ctx, req)
	}
	response := new(segmenterv1.SegmentPeopleResponse)
	for i := range req.GetFaces() {
		// Each person has a column of its own, as wide as there are people.
		w := int(req.GetWidth()) / len(req.GetFaces())
		response.Masks = append(response.Masks, column(int(req.GetWidth()), int(req.GetHeight()), i*w, (i+1)*w))
	}
	return response, nil
}

type denoiser struct{ *stages }

func (d denoiser) Denoise(ctx context.Context, req *denoiserv1.DenoiseRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[denoiserv1.DenoiseResponse], error) {
	d.note(ctx, "Denoise", req)
	if d.denoise == nil {
		return &stream{events: made(req)}, nil
	}
	list, err := d.denoise(ctx, req)
	if err != nil {
		return nil, err
	}
	return &stream{events: list}, nil
}

type events []*denoiserv1.DenoiseResponse

// made is what a healthy denoiser tells: one step, then the picture.
func made(req *denoiserv1.DenoiseRequest) events {
	return events{
		{Event: &denoiserv1.DenoiseResponse_Progress{Progress: &denoiserv1.Progress{Step: 1, Steps: req.GetSteps(), Preview: inline("preview")}}},
		{Event: &denoiserv1.DenoiseResponse_Result{Result: &denoiserv1.DenoiseResult{
			Picture: painted(req), Width: req.GetWidth(), Height: req.GetHeight(),
		}}},
	}
}

// painted is a grey picture with the record that the denoiser leaves.
func painted(req *denoiserv1.DenoiseRequest) *mediav1.Picture { return shaded(req, 100) }

// shaded is painted in another grey.
func shaded(req *denoiserv1.DenoiseRequest, grey uint8) *mediav1.Picture {
	p := imaging.NewRGB(int(req.GetWidth()), int(req.GetHeight()))
	for i := range p.Pix {
		p.Pix[i] = grey
	}
	data, err := imaging.EncodePNG(p, nil)
	if err == nil {
		data, err = provenance.Sign(data, provenance.Record{
			Request: []byte(`{}`), Index: req.GetIndex(), NoiseVersion: "noise/1",
			Bundle: provenance.Bundle{Name: "test", Version: "1.0.0", Digest: req.GetBundle()}, Source: provenance.Trained,
		})
	}
	if err != nil {
		panic(err)
	}
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}
}

type stream struct {
	grpc.ClientStream
	events events
}

func (s *stream) Recv() (*denoiserv1.DenoiseResponse, error) {
	if len(s.events) == 0 {
		return nil, io.EOF
	}
	first := s.events[0]
	s.events = s.events[1:]
	return first, nil
}

// vector is a tensor [len(values)], or [rows, len(values)/rows].
func vector(rows int64, values ...float32) *mediav1.Tensor {
	shape := []int64{int64(len(values))}
	if rows > 0 {
		shape = []int64{rows, int64(len(values)) / rows}
	}
	t, err := tensor.From(values, shape...)
	if err != nil {
		panic(err)
	}
	return tensor.ToProto(t)
}

func inline(text string) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: []byte(text)}}
}

// face is a frontal face whose points lie as in the framing template of these
// tests, moved by x and y and enlarged by scale.
func face(x, y, scale float32) *mediav1.Face {
	f := &mediav1.Face{Box: &mediav1.Box{X: x + 8*scale, Y: y + 8*scale, Width: 16 * scale, Height: 16 * scale}, Score: 0.9}
	for _, name := range []string{"left_eye", "mouth", "nose", "right_eye"} {
		p := template.Points[name]
		f.Landmarks = append(f.Landmarks, &mediav1.Landmark{Name: name, Point: &mediav1.Point{
			X: x + float32(p[0])*scale, Y: y + float32(p[1])*scale,
		}})
	}
	return f
}

// column is a w x h mask of the pixels from x0 to x1.
func column(w, h, x0, x1 int) *mediav1.Picture {
	g := imaging.NewGray(w, h)
	for i := range g.Pix {
		if x := i % w; x >= x0 && x < x1 {
			g.Pix[i] = 255
		}
	}
	data, err := g.EncodePNG()
	if err != nil {
		panic(err)
	}
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
