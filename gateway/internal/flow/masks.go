package flow

import (
	"context"
	"fmt"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
)

const (
	// maskSide bounds the longer side of a caller's mask while it is worked
	// with, pixels: canvases are smaller.
	maskSide = 1024
	// maskSlack is by how much the masks of several people may be above 1 in
	// all: each is rounded to 8 bits, and scaled.
	maskSlack = 3.0 / 255
)

// ownMask is a mask that the caller gave for one subject.
type ownMask struct {
	// values [h,w], 0..1, of a picture that was scaled down by fx and fy.
	values []float32
	w, h   int
	fx, fy float64
}

// covers tells whether the point, in pixels of the picture that the mask is of,
// is the person's.
func (m *ownMask) covers(p imaging.Point) bool {
	x, y := int(p.X/m.fx), int(p.Y/m.fy)
	return x >= 0 && y >= 0 && x < m.w && y < m.h && m.values[y*m.w+x] >= 0.5
}

// bounds is the box around what the mask covers.
func (m *ownMask) bounds() imaging.Box {
	b, _ := mask.Bounds(m.values, m.w, m.h)
	return imaging.Box{X: b.X * m.fx, Y: b.Y * m.fy, W: b.W * m.fx, H: b.H * m.fy}
}

// on returns the mask on a w x h canvas, to which move takes the picture that
// the mask is of. Outside the picture nobody is.
func (m *ownMask) on(move imaging.Affine, w, h int) []float32 {
	src := imaging.NewRGB(m.w, m.h)
	for i, v := range imaging.GrayFrom(m.values, m.w, m.h).Pix {
		src.Pix[3*i] = v
	}
	// Pixel x of the scaled mask has its middle at fx*x + (fx-1)/2.
	ox, oy := (m.fx-1)/2, (m.fy-1)/2
	scaled := imaging.Affine{
		move[0] * m.fx, move[1] * m.fy, move[2] + move[0]*ox + move[1]*oy,
		move[3] * m.fx, move[4] * m.fy, move[5] + move[3]*ox + move[4]*oy,
	}
	warped := imaging.Warp(src, scaled, w, h, imaging.Black)
	out := make([]float32, w*h)
	for i := range out {
		out[i] = float32(warped.Pix[3*i]) / 255
	}
	return out
}

// readMasks decodes the subjects' own masks, each w x h pixels, and checks that
// they leave each other room. An entry is nil where the subject has none.
func (r *run) readMasks(ctx context.Context, w, h int, of string) ([]*ownMask, error) {
	own := make([]*ownMask, len(r.want.GetSubjects()))
	var given [][]float32
	last := ""
	for i, subject := range r.want.GetSubjects() {
		picture := subject.GetAt().GetMask()
		if picture == nil {
			continue
		}
		last = maskField(i)
		m, err := r.readMask(ctx, picture, w, h, of)
		if err != nil {
			return nil, blame(err, last)
		}
		own[i], given = m, append(given, m.values)
	}
	if excess := mask.Excess(given); excess > maskSlack {
		return nil, fault.InvalidField(last, "the masks of the subjects sum to %.2f where they overlap: let them sum to at most 1 at each pixel", 1+excess)
	}
	mask.Normalize(given)
	return own, nil
}

func (r *run) readMask(ctx context.Context, picture *mediav1.Picture, w, h int, of string) (*ownMask, error) {
	data, err := r.blobs.Picture(ctx, r.job.Key.Tenant, picture)
	if err != nil {
		return nil, err
	}
	if err := r.decoders.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait to decode a mask: %w", err)
	}
	defer r.decoders.Release(1)
	gray, err := imaging.DecodeGray(data, r.set.Limits)
	if err != nil {
		return nil, err
	}
	if gray.W != w || gray.H != h {
		return nil, fault.InvalidField("", "the mask has %d x %d pixels, %s has %d x %d: send a mask of that size", gray.W, gray.H, of, w, h)
	}
	if side := max(w, h); side > maskSide {
		gray = imaging.ResizeGray(gray, max(1, w*maskSide/side), max(1, h*maskSide/side))
	}
	m := &ownMask{
		values: gray.Floats(), w: gray.W, h: gray.H,
		fx: float64(w) / float64(gray.W), fy: float64(h) / float64(gray.H),
	}
	if _, ok := mask.Bounds(m.values, m.w, m.h); !ok {
		return nil, fault.InvalidField("", "the mask is empty: paint the person's pixels white, 255")
	}
	return m, nil
}

// putMask stores a mask of the canvas' size for the denoiser.
func (r *run) putMask(ctx context.Context, values []float32) (*mediav1.Picture, error) {
	gray := imaging.GrayFrom(values, int(r.want.GetWidth()), int(r.want.GetHeight()))
	encoded, err := gray.EncodePNG()
	if err != nil {
		return nil, fmt.Errorf("encode mask: %w", err)
	}
	stored, err := r.blobs.PutPicture(ctx, r.job.Key.Tenant, blob.Day, encoded, pngType)
	if err != nil {
		return nil, fmt.Errorf("store mask: %w", err)
	}
	return stored, nil
}

// placeOnCanvas is the cast of a generation without a style picture: boxes and
// masks place the people.
func (r *run) placeOnCanvas(ctx context.Context) (cast, error) {
	subjects := r.want.GetSubjects()
	w, h := int(r.want.GetWidth()), int(r.want.GetHeight())
	if len(subjects) == 1 && subjects[0].GetAt() == nil {
		return cast{{person: mask.Nobody, source: gatewayv1.MaskSource_MASK_SOURCE_EVERYWHERE}}, nil
	}
	own, err := r.readMasks(ctx, w, h, "the canvas")
	if err != nil {
		return nil, err
	}
	var all cast
	for i, subject := range subjects {
		one := role{subject: i, person: mask.Nobody, source: gatewayv1.MaskSource_MASK_SOURCE_CALLER, own: own[i]}
		var values []float32
		if own[i] != nil {
			one.box, values = own[i].bounds(), own[i].on(imaging.Affine{1, 0, 0, 0, 1, 0}, w, h)
		} else {
			one.source, one.box = gatewayv1.MaskSource_MASK_SOURCE_BOX, boxOf(subject.GetAt().GetBox())
			values = mask.Rectangle(one.box, w, h, softEdge(w, h))
			if _, ok := mask.Bounds(values, w, h); !ok {
				return nil, fault.InvalidField(subjectField(i)+".at.box", "the box covers nothing of the canvas of %d x %d pixels: give one on it", w, h)
			}
		}
		if one.mask, err = r.putMask(ctx, values); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return r.withRest(ctx, all.fromTheLeft())
}

// withRest leaves what is outside of the place of a single person, where the
// caller drew it, to nobody. Otherwise that one person would guide the
// background too, and the place would mean nothing.
func (r *run) withRest(ctx context.Context, c cast) (cast, error) {
	drawn := len(c) == 1 && !r.keeps() &&
		(c[0].source == gatewayv1.MaskSource_MASK_SOURCE_CALLER || c[0].source == gatewayv1.MaskSource_MASK_SOURCE_BOX)
	if !drawn {
		return c, nil
	}
	values, err := r.maskValues(ctx, c[0].mask)
	if err != nil {
		return nil, err
	}
	for i, v := range values {
		values[i] = 1 - v
	}
	rest := role{subject: mask.Nobody, person: mask.Nobody, rest: true}
	if rest.mask, err = r.putMask(ctx, values); err != nil {
		return nil, err
	}
	return append(c, rest), nil
}

// softEdge is by how many pixels the edge of a box is softened: about a cell of
// the latents.
func softEdge(w, h int) int { return max(1, min(w, h)/16) }
