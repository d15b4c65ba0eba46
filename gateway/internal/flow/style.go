package flow

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
	"github.com/facestudio/facestudio/services/tensor"
)

const pngType = "image/png"

// minFace is the smallest face, on the canvas, that a subject can be given,
// pixels: about a cell of the latents.
const minFace = 8

// readStyle puts the style picture on the canvas, by the people in it, and asks
// for what the generation needs of it: e_h with every face masked, who the
// subjects become, and where each person is when that matters.
func (r *run) readStyle(ctx context.Context, what *guide) error {
	found, err := r.stages.Encoder.DetectFaces(r.call(ctx, stageEncode, 1), &encoderv1.DetectFacesRequest{
		Bundle:  r.want.GetBundle(),
		Picture: r.want.GetStyle(),
	})
	if err != nil {
		return blame(err, styleField)
	}
	people := peopleOf(found.GetFaces())
	own, err := r.readMasks(ctx, int(found.GetWidth()), int(found.GetHeight()), "the style picture")
	if err != nil {
		return err
	}
	if what.cast, err = r.castStyle(own, people); err != nil {
		return err
	}
	style, err := r.frameStyle(ctx, people, what.cast)
	if err != nil {
		return err
	}
	what.move = style.move
	if r.keeps() || r.want.Strength != nil {
		what.style = style.picture
	}
	together, side := errgroup.WithContext(ctx)
	if r.guidesByStyle() {
		boxes := slices.DeleteFunc(boxesOn(style.move, found.GetFaces()[:min(len(found.GetFaces()), maxBoxes)], r.width(), r.height()),
			func(b *mediav1.Box) bool { return b == nil })
		together.Go(func() (err error) {
			what.image, err = r.embedStyle(side, style.picture, boxes)
			return err
		})
	}
	together.Go(func() error { return r.segmentCast(side, what.cast, people, style) })
	if err := together.Wait(); err != nil {
		return err
	}
	what.cast, err = r.withRest(ctx, r.withoutBystanders(what.cast))
	return err
}

// castStyle gives the style picture's people to the subjects. One subject and
// at most one person need no masks, but to keep the background or because the
// caller gave one.
func (r *run) castStyle(own []*ownMask, people []*mediav1.Face) (cast, error) {
	subjects := r.want.GetSubjects()
	masked := slices.ContainsFunc(own, func(m *ownMask) bool { return m != nil })
	if len(people) == 0 && !masked {
		switch at := subjects[0].GetAt(); {
		case r.keeps():
			return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND, styleField,
				"no face was found in the style picture, so it is not known which person stands before the background to keep; send one with the whole face in view, a mask of the person, or another background")
		case len(subjects) > 1 || at != nil:
			return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND, styleField,
				"no face was found in the style picture, so it is not known who the subjects become; send one with the whole faces in view, or a mask for each subject")
		}
		return cast{{person: mask.Nobody, source: gatewayv1.MaskSource_MASK_SOURCE_EVERYWHERE}}, nil
	}
	all, err := castOf(subjects, own, people)
	if err != nil {
		return nil, err
	}
	if len(all) > maxPeople {
		return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, subjectsField,
			"the style picture's people and those that masks add are %d, at most %d are served: give fewer masks, or a style picture with fewer people", len(all), maxPeople)
	}
	if len(all) == 1 && !masked && !r.keeps() {
		all[0].source = gatewayv1.MaskSource_MASK_SOURCE_EVERYWHERE
	}
	return all, nil
}

// withoutBystanders leaves those to the background who are nobody's, when it is
// kept: they stay as they are.
func (r *run) withoutBystanders(c cast) cast {
	if !r.keeps() {
		return c
	}
	return slices.DeleteFunc(c, func(one role) bool { return one.subject == mask.Nobody })
}

// onCanvas is a style picture on the canvas.
type onCanvas struct {
	picture *mediav1.Picture
	// move takes the picture as it was sent to the canvas.
	move imaging.Affine
}

// frameStyle puts the style picture on the canvas, so that all of the cast are
// in view.
func (r *run) frameStyle(ctx context.Context, people []*mediav1.Face, c cast) (onCanvas, error) {
	data, err := r.blobs.Picture(ctx, r.job.Key.Tenant, r.want.GetStyle())
	if err != nil {
		return onCanvas{}, blame(err, styleField)
	}
	var regions []imaging.Box
	for _, one := range c {
		if one.person == mask.Nobody && one.own != nil {
			regions = append(regions, one.box)
		}
	}
	canvas, move, err := r.decodeStyle(ctx, data, func(w, h int) imaging.Affine {
		return frame(w, h, people, regions, r.set.Framing, r.width(), r.height())
	})
	if err != nil {
		return onCanvas{}, err
	}
	encoded, err := imaging.EncodePNG(canvas, nil)
	if err != nil {
		return onCanvas{}, fmt.Errorf("encode framed style picture: %w", err)
	}
	framed, err := r.blobs.PutPicture(ctx, r.job.Key.Tenant, blob.Day, encoded, pngType)
	if err != nil {
		return onCanvas{}, fmt.Errorf("store framed style picture: %w", err)
	}
	return onCanvas{framed, move}, nil
}

// decodeStyle returns the style picture moved to the canvas.
func (r *run) decodeStyle(ctx context.Context, data []byte, to func(w, h int) imaging.Affine) (*imaging.RGB, imaging.Affine, error) {
	if err := r.decoders.Acquire(ctx, 1); err != nil {
		return nil, imaging.Affine{}, fmt.Errorf("wait to decode the style picture: %w", err)
	}
	defer r.decoders.Release(1)
	src, err := imaging.Decode(data, r.set.Limits)
	if err != nil {
		return nil, imaging.Affine{}, blame(err, styleField)
	}
	move := to(src.W, src.H)
	return imaging.Warp(src, move, r.width(), r.height(), edgeOf(r.set.Framing)), move, nil
}

func (r *run) embedStyle(ctx context.Context, framed *mediav1.Picture, boxes []*mediav1.Box) (*mediav1.Tensor, error) {
	response, err := r.stages.Encoder.EmbedImages(r.call(ctx, stageEncode, 2), &encoderv1.EmbedImagesRequest{
		Bundle: r.want.GetBundle(),
		Images: []*encoderv1.ImageToEmbed{{Picture: framed, Faces: boxes}},
	})
	if err != nil {
		return nil, blame(err, styleField)
	}
	return onlyRow(response.GetEmbeddings())
}

func (r *run) width() int  { return int(r.want.GetWidth()) }
func (r *run) height() int { return int(r.want.GetHeight()) }

// onlyRow takes the one row of embeddings [1,D] as [D].
func onlyRow(m *mediav1.Tensor) (*mediav1.Tensor, error) {
	t, err := tensor.FromProto(m)
	if err != nil {
		return nil, fmt.Errorf("read embeddings: %w", err)
	}
	if !t.Is(1, -1) {
		return nil, fmt.Errorf("embeddings have shape %v, want [1,D]", t.Shape)
	}
	return tensor.ToProto(t.Row(0)), nil
}
