package rpc_test

import (
	"bytes"
	"image"
	"image/png"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/facestudio/facestudio/denoiser-svc/internal/paint"
	"github.com/facestudio/facestudio/denoiser-svc/internal/rpc"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit/stage"
)

func server(f *testing.F) *rpc.Server {
	f.Helper()
	env := stage.Env(f)
	return &rpc.Server{Bundle: env.Bundle, Blobs: env.Blobs}
}

// valid is a request with a person on the left, started from a picture.
func valid(f *testing.F, s *rpc.Server) *denoiserv1.DenoiseRequest {
	f.Helper()
	m := &s.Bundle.Manifest
	face := tensor.New(int64(m.Embeddings.Face))
	face.Data[0] = 1
	side := m.Canvas.Default
	gray, rgb := image.NewGray(image.Rect(0, 0, side, side)), image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range gray.Pix {
		if i%side < side/2 {
			gray.Pix[i] = 255
		}
	}
	for i := range rgb.Pix {
		rgb.Pix[i] = 255
	}
	return &denoiserv1.DenoiseRequest{
		Seed: 1, Steps: 4, Alpha: 1, ImageEmbedding: tensor.ToProto(tensor.New(int64(m.Embeddings.Image))),
		Identities: []*denoiserv1.Identity{{FaceEmbedding: tensor.ToProto(face), Mask: encode(f, gray)}},
		Background: denoiserv1.Background_BACKGROUND_KEEP, Style: encode(f, rgb),
		Sampler: denoiserv1.Sampler_SAMPLER_UNIPC, KarrasSigmas: true, Strength: proto.Float32(0.5),
	}
}

func encode(f *testing.F, picture image.Image) *mediav1.Picture {
	f.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		f.Fatal(err)
	}
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: out.Bytes()}}
}

// FuzzRequest reads requests of any bytes: each is a job that can be made, or
// is refused for a reason.
func FuzzRequest(f *testing.F) {
	s := server(f)
	for _, change := range []func(*denoiserv1.DenoiseRequest){
		func(*denoiserv1.DenoiseRequest) {},
		func(r *denoiserv1.DenoiseRequest) { r.Identities[0].Mask = nil; r.Background = 2 },
		func(r *denoiserv1.DenoiseRequest) { r.Strength = proto.Float32(float32(math.NaN())) },
		func(r *denoiserv1.DenoiseRequest) { r.ImageEmbedding.Shape = []int64{1 << 62, 4} },
		func(r *denoiserv1.DenoiseRequest) { r.ImageEmbedding.Data = r.ImageEmbedding.Data[1:] },
		func(r *denoiserv1.DenoiseRequest) { r.Width, r.Height = math.MaxInt32, math.MinInt32 },
	} {
		req := valid(f, s)
		change(req)
		data, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		req := &denoiserv1.DenoiseRequest{}
		if proto.Unmarshal(data, req) != nil {
			return
		}
		read(t, s, req)
	})
}

// FuzzPictures reads masks and style pictures of any bytes.
func FuzzPictures(f *testing.F) {
	s := server(f)
	base := valid(f, s)
	mask, style := base.GetIdentities()[0].GetMask().GetData(), base.GetStyle().GetData()
	f.Add(mask, style)
	f.Add(mask[:len(mask)/2], style)
	f.Add(style, mask)
	f.Fuzz(func(t *testing.T, mask, style []byte) {
		req := proto.CloneOf(base)
		req.Identities[0].Mask.Source = &mediav1.Picture_Data{Data: mask}
		req.Style.Source = &mediav1.Picture_Data{Data: style}
		read(t, s, req)
	})
}

// FuzzTensor reads embeddings of any shape and bytes.
func FuzzTensor(f *testing.F) {
	s := server(f)
	base := valid(f, s)
	m := base.GetIdentities()[0].GetFaceEmbedding()
	f.Add(m.GetShape()[0], int64(-1), m.GetData())
	f.Add(int64(1)<<40, int64(1)<<40, []byte{0, 0, 192, 127})
	f.Add(int64(-1), int64(0), []byte{})
	f.Fuzz(func(t *testing.T, first, second int64, data []byte) {
		req := proto.CloneOf(base)
		shape := []int64{first}
		if second >= 0 {
			shape = append(shape, second)
		}
		req.Identities[0].FaceEmbedding = &mediav1.Tensor{Shape: shape, Data: data}
		req.ImageEmbedding = &mediav1.Tensor{Shape: shape, Data: data}
		read(t, s, req)
	})
}

func read(t *testing.T, s *rpc.Server, req *denoiserv1.DenoiseRequest) {
	t.Helper()
	j, err := rpc.Job(s, t.Context(), stage.Tenant, req)
	if err != nil {
		if f := fault.From(err); f.Kind == fault.Internal || f.Reason == faultv1.Reason_REASON_UNSPECIFIED {
			t.Fatalf("refused without a reason: %v", err)
		}
		return
	}
	check(t, s, j)
}

// check fails unless a job is one that can be made.
func check(t *testing.T, s *rpc.Server, j *paint.Job) {
	t.Helper()
	m := &s.Bundle.Manifest
	area := j.Width * j.Height
	switch {
	case j.Width < m.Canvas.Min || j.Width > m.Canvas.Max || j.Height < m.Canvas.Min || j.Height > m.Canvas.Max:
		t.Errorf("%d x %d", j.Width, j.Height)
	case j.Steps < 1 || j.Steps > m.Sampling.MaxSteps || j.Strength > 0 && diffusion.FirstStep(j.Steps, j.Strength) == j.Steps:
		t.Errorf("%d steps at strength %g", j.Steps, j.Strength)
	case len(j.People) == 0:
		t.Error("nobody")
	case (j.Background == paint.Keep || j.Strength > 0) && (j.Picture == nil || len(j.Picture.Pix) != 3*area):
		t.Error("no style picture of the canvas' size")
	case j.Alpha > 0 && !finite(j.Style, m.Embeddings.Image), j.Alpha < 1 && !finite(j.Text, m.Embeddings.Image):
		t.Error("no embedding of the bundle's width")
	}
	for _, p := range j.People {
		if !finite(p.Face, m.Embeddings.Face) || p.Mask != nil && !finite(p.Mask, area) {
			t.Errorf("person %d values, mask %d", len(p.Face), len(p.Mask))
		}
		for _, v := range p.Mask {
			if v < 0 || v > 1 {
				t.Fatalf("mask value %g", v)
			}
		}
	}
}

func finite(v []float32, n int) bool {
	return len(v) == n && (&tensor.Tensor{Data: v}).Finite()
}
