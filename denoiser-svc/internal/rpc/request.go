package rpc

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/facestudio/facestudio/denoiser-svc/internal/paint"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

const (
	// maxPeople is how many people a picture may have, as denoiser.proto says.
	maxPeople = 8
	// unitTolerance is how far a face embedding's length may be from 1.
	unitTolerance = 0.01
)

// job checks every field of a request and reads what it points to.
func (s *Server) job(ctx context.Context, tenant string, req *denoiserv1.DenoiseRequest) (*paint.Job, error) {
	if err := s.Bundle.Serves(req.GetBundle()); err != nil {
		return nil, err
	}
	j := &paint.Job{
		Seed: req.GetSeed(), Index: req.GetIndex(), Steps: int(req.GetSteps()), Scale: req.GetGuidanceScale(),
		Alpha: req.GetAlpha(), PreviewEvery: int(req.GetPreviewEvery()),
	}
	for _, check := range []func(*paint.Job, *denoiserv1.DenoiseRequest) error{s.numbers, s.sampler, s.size, s.embeddings, background} {
		if err := check(j, req); err != nil {
			return nil, err
		}
	}
	if err := s.people(ctx, tenant, j, req); err != nil {
		return nil, err
	}
	if err := s.style(ctx, tenant, j, req); err != nil {
		return nil, err
	}
	return j, nil
}

func (s *Server) numbers(j *paint.Job, _ *denoiserv1.DenoiseRequest) error {
	limits := s.Bundle.Manifest.Sampling
	if j.Steps == 0 {
		j.Steps = limits.Steps
	}
	if j.Steps < 1 || j.Steps > limits.MaxSteps {
		return fault.InvalidField("steps", "steps must be 1 to %d, not %d; 0 takes the default, %d", limits.MaxSteps, j.Steps, limits.Steps)
	}
	if j.Scale == 0 {
		j.Scale = limits.GuidanceScale
	}
	// Also false for NaN, as below.
	if !(j.Scale >= 1 && j.Scale <= limits.MaxGuidanceScale) {
		return fault.InvalidField("guidance_scale", "the scale must be 1 to %g, not %g; 0 takes the default, %g",
			limits.MaxGuidanceScale, j.Scale, limits.GuidanceScale)
	}
	if !(j.Alpha >= 0 && j.Alpha <= 1) {
		return fault.InvalidField("alpha", "alpha must be 0 (prompt only) to 1 (style picture only), not %g", j.Alpha)
	}
	if j.PreviewEvery < 0 {
		return fault.InvalidField("preview_every", "it must be 0 (no previews) or a number of steps, not %d", j.PreviewEvery)
	}
	return nil
}

func (s *Server) size(j *paint.Job, req *denoiserv1.DenoiseRequest) error {
	c := s.Bundle.Manifest.Canvas
	for _, side := range []struct {
		field string
		given int32
		to    *int
	}{{"width", req.GetWidth(), &j.Width}, {"height", req.GetHeight(), &j.Height}} {
		*side.to = int(side.given)
		if side.given == 0 {
			*side.to = c.Default
		}
		if n := *side.to; n < c.Min || n > c.Max || n%c.MultipleOf != 0 {
			return fault.InvalidField(side.field, "it must be %d to %d pixels in multiples of %d, not %d; 0 takes the default, %d",
				c.Min, c.Max, c.MultipleOf, n, c.Default)
		}
	}
	return nil
}

func (s *Server) embeddings(j *paint.Job, req *denoiserv1.DenoiseRequest) error {
	if req.GetImageEmbedding() == nil && req.GetTextImageEmbedding() == nil {
		return fault.New(fault.Invalid, faultv1.Reason_REASON_NOTHING_TO_MAKE, "image_embedding",
			"neither image_embedding nor text_image_embedding says what to make; give one")
	}
	alphas, err := alphasOf(j, req)
	if err != nil {
		return err
	}
	width := s.Bundle.Manifest.Embeddings.Image
	if slices.ContainsFunc(alphas, func(alpha float32) bool { return alpha > 0 }) {
		if j.Style, err = vector("image_embedding", req.GetImageEmbedding(), width); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(alphas, func(alpha float32) bool { return alpha < 1 }) {
		j.Text, err = vector("text_image_embedding", req.GetTextImageEmbedding(), width)
	}
	return err
}

// alphasOf are the weights of all people, or the request's where there is
// nobody, which is refused later.
func alphasOf(j *paint.Job, req *denoiserv1.DenoiseRequest) ([]float32, error) {
	if len(req.GetIdentities()) == 0 {
		return []float32{j.Alpha}, nil
	}
	alphas := make([]float32, len(req.GetIdentities()))
	for i, identity := range req.GetIdentities() {
		alphas[i] = j.Alpha
		if identity.Alpha == nil {
			continue
		}
		alphas[i] = identity.GetAlpha()
		if !(alphas[i] >= 0 && alphas[i] <= 1) {
			return nil, fault.InvalidField(fmt.Sprintf("identities[%d].alpha", i), "alpha must be 0 (prompt only) to 1 (style picture only), not %g", alphas[i])
		}
	}
	return alphas, nil
}

func background(j *paint.Job, req *denoiserv1.DenoiseRequest) error {
	switch req.GetBackground() {
	case denoiserv1.Background_BACKGROUND_UNSPECIFIED, denoiserv1.Background_BACKGROUND_RANDOM_IDENTITY:
		j.Background = paint.RandomIdentity
	case denoiserv1.Background_BACKGROUND_MEAN:
		j.Background = paint.Mean
	case denoiserv1.Background_BACKGROUND_KEEP:
		j.Background = paint.Keep
	default:
		return fault.InvalidField("background", "%d is not known; use RANDOM_IDENTITY, MEAN or KEEP", req.GetBackground())
	}
	return nil
}

func (s *Server) people(ctx context.Context, tenant string, j *paint.Job, req *denoiserv1.DenoiseRequest) error {
	identities := req.GetIdentities()
	if len(identities) == 0 {
		return fault.InvalidField("identities", "there is nobody; give 1 to %d", maxPeople)
	}
	if len(identities) > maxPeople {
		return fault.New(fault.Invalid, faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, "identities",
			"there are %d people, at most %d are served", len(identities), maxPeople)
	}
	for i, identity := range identities {
		field := fmt.Sprintf("identities[%d]", i)
		person := paint.Person{Face: make([]float32, s.Bundle.Manifest.Embeddings.Face), Alpha: j.Alpha}
		if identity.Alpha != nil {
			person.Alpha = identity.GetAlpha()
		}
		if m := identity.GetFaceEmbedding(); m != nil {
			face, err := vector(field+".face_embedding", m, len(person.Face))
			if err != nil {
				return err
			}
			if n := tensor.Norm(face); n != 0 && math.Abs(n-1) > unitTolerance {
				return fault.InvalidField(field+".face_embedding", "its length is %.3g; scale it to 1, or send zeros for nobody in particular", n)
			}
			person.Face = face
		}
		if m := identity.GetMask(); m.GetSource() != nil {
			mask, err := s.mask(ctx, tenant, j, m)
			if err != nil {
				return fault.From(err).At(field + ".mask")
			}
			person.Mask = mask
		} else if j.Background == paint.Keep {
			return fault.InvalidField(field+".mask", "a kept background needs the mask of each person; get them from SegmentPeople")
		}
		j.People = append(j.People, person)
	}
	return nil
}

func (s *Server) mask(ctx context.Context, tenant string, j *paint.Job, m *mediav1.Picture) ([]float32, error) {
	data, err := s.Blobs.Picture(ctx, tenant, m)
	if err != nil {
		return nil, err
	}
	mask, err := imaging.DecodeGray(data, s.limits())
	if err != nil {
		return nil, err
	}
	if err := sized(mask.W, mask.H, j); err != nil {
		return nil, err
	}
	return mask.Floats(), nil
}

func (s *Server) style(ctx context.Context, tenant string, j *paint.Job, req *denoiserv1.DenoiseRequest) error {
	if j.Background != paint.Keep && j.Strength == 0 {
		return nil
	}
	if req.GetStyle().GetSource() == nil {
		return fault.InvalidField("style", "a kept background and strength need the style picture; leave them out, or send it")
	}
	data, err := s.Blobs.Picture(ctx, tenant, req.GetStyle())
	if err == nil {
		j.Picture, err = imaging.Decode(data, s.limits())
	}
	if err == nil {
		err = sized(j.Picture.W, j.Picture.H, j)
	}
	if err != nil {
		return fault.From(err).At("style")
	}
	return nil
}

// limits are those of pictures that have the canvas' size.
func (s *Server) limits() imaging.Limits {
	side := s.Bundle.Manifest.Canvas.Max
	return imaging.Limits{MaxPixels: side * side, MinSide: 1}
}

func sized(w, h int, j *paint.Job) error {
	if w != j.Width || h != j.Height {
		return fault.InvalidField("", "the picture has %d x %d pixels, it needs the canvas' %d x %d", w, h, j.Width, j.Height)
	}
	return nil
}

// vector reads a field that is one row of n values.
func vector(field string, m *mediav1.Tensor, n int) ([]float32, error) {
	t, err := tensor.FromProto(m)
	if err != nil {
		return nil, fault.InvalidField(field, "%v", err)
	}
	if !t.Is(int64(n)) {
		return nil, fault.InvalidField(field, "its shape is %v, this bundle takes [%d]", t.Shape, n)
	}
	return t.Data, nil
}
