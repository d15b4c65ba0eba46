package flow

import (
	"context"
	"fmt"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
)

// segmentCast sets the mask of everybody whose place matters: the caller's own,
// and the segmenter's less what the callers' own cover.
func (r *run) segmentCast(ctx context.Context, c cast, people []*mediav1.Face, style onCanvas) error {
	taken, err := r.ownMasks(ctx, c, style.move)
	if err != nil {
		return err
	}
	boxes := boxesOn(style.move, people, r.width(), r.height())
	var faces []*mediav1.Box
	var of []*role
	for i := range c {
		one := &c[i]
		if one.source != gatewayv1.MaskSource_MASK_SOURCE_SEGMENTER {
			continue
		}
		switch box := boxes[one.person]; {
		case box != nil && box.GetWidth() >= minFace:
			faces, of = append(faces, box), append(of, one)
		case one.subject != mask.Nobody:
			return fault.New(fault.Invalid, faultv1.Reason_REASON_FACE_TOO_SMALL, styleField,
				"the face of person %d in the style picture comes out too small to tell the person from the rest; send a closer picture, or ask for a larger one", one.person)
		default:
			if one.mask, err = r.putMask(ctx, make([]float32, r.width()*r.height())); err != nil {
				return err
			}
		}
	}
	if len(faces) == 0 {
		return nil
	}
	r.progress(stageSegment, 0, 0)
	masks, err := r.segment(ctx, 0, style.picture, faces)
	if err != nil {
		return err
	}
	for k, one := range of {
		one.mask = masks[k]
		if taken == nil {
			continue
		}
		values, err := r.maskValues(ctx, masks[k])
		if err != nil {
			return err
		}
		mask.Without(values, taken)
		if one.mask, err = r.putMask(ctx, values); err != nil {
			return err
		}
	}
	return nil
}

// ownMasks puts the masks that callers gave on the canvas and returns what they
// cover of it in all; nil when there are none.
func (r *run) ownMasks(ctx context.Context, c cast, move imaging.Affine) ([]float32, error) {
	var all [][]float32
	for i := range c {
		if c[i].source != gatewayv1.MaskSource_MASK_SOURCE_CALLER {
			continue
		}
		values := c[i].own.on(move, r.width(), r.height())
		all = append(all, values)
		var err error
		if c[i].mask, err = r.putMask(ctx, values); err != nil {
			return nil, err
		}
	}
	if all == nil {
		return nil, nil
	}
	return mask.Sum(all), nil
}

func (r *run) segment(ctx context.Context, index int, framed *mediav1.Picture, faces []*mediav1.Box) ([]*mediav1.Picture, error) {
	response, err := r.stages.Segmenter.SegmentPeople(r.call(ctx, stageSegment, index), &segmenterv1.SegmentPeopleRequest{
		Bundle:  r.want.GetBundle(),
		Picture: framed,
		Faces:   faces,
		Width:   r.want.GetWidth(),
		Height:  r.want.GetHeight(),
	})
	if err != nil {
		return nil, blame(err, styleField)
	}
	if len(response.GetMasks()) != len(faces) {
		return nil, fmt.Errorf("segmenter answered %d masks for %d faces", len(response.GetMasks()), len(faces))
	}
	return response.GetMasks(), nil
}

// maskValues reads a mask of the canvas' size that a stage or the flow made.
func (r *run) maskValues(ctx context.Context, picture *mediav1.Picture) ([]float32, error) {
	data, err := r.blobs.Picture(ctx, r.job.Key.Tenant, picture)
	if err != nil {
		return nil, fmt.Errorf("read a person's mask: %w", err)
	}
	gray, err := imaging.DecodeGray(data, imaging.Limits{MinSide: 1})
	if err != nil {
		return nil, fmt.Errorf("read a person's mask: %w", err)
	}
	if gray.W != r.width() || gray.H != r.height() {
		return nil, fmt.Errorf("a person's mask has %d x %d pixels, want %d x %d", gray.W, gray.H, r.width(), r.height())
	}
	return gray.Floats(), nil
}
