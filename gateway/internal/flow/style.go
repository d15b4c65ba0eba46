package flow

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

const pngType = "image/png"

// readStyle puts the style picture on the canvas, by its largest face where it
// has one, and asks for what the generation needs of it: e_h with every face
// masked, and for KEEP the mask of its person.
func (r *run) readStyle(ctx context.Context, what *guide) error {
	found, err := r.stages.Encoder.DetectFaces(r.call(ctx, stageEncode, 1), &encoderv1.DetectFacesRequest{
		Bundle:  r.want.GetBundle(),
		Picture: r.want.GetStyle(),
	})
	if err != nil {
		return blame(err, styleField)
	}
	if r.keeps() && len(found.GetFaces()) == 0 {
		return fault.New(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND, styleField,
			"no face was found in the style picture, so it is not known which person stands before the background to keep; send one with the whole face in view, or another background")
	}
	framed, boxes, err := r.frameStyle(ctx, found.GetFaces())
	if err != nil {
		return err
	}
	together, ctx := errgroup.WithContext(ctx)
	if r.guidesByStyle() {
		together.Go(func() (err error) {
			what.image, err = r.embedStyle(ctx, framed, boxes)
			return err
		})
	}
	if r.keeps() {
		what.style = framed
		together.Go(func() (err error) {
			what.mask, err = r.segmentStyle(ctx, framed, boxes)
			return err
		})
	}
	return together.Wait()
}

// frameStyle returns the style picture on the canvas and its faces there, the
// largest of the picture first.
func (r *run) frameStyle(ctx context.Context, faces []*mediav1.Face) (*mediav1.Picture, []*mediav1.Box, error) {
	data, err := r.blobs.Picture(ctx, r.job.Key.Tenant, r.want.GetStyle())
	if err != nil {
		return nil, nil, blame(err, styleField)
	}
	canvas, boxes, err := r.decodeStyle(ctx, data, faces)
	if err != nil {
		return nil, nil, err
	}
	if r.keeps() && len(boxes) == 0 {
		return nil, nil, fault.New(fault.Invalid, faultv1.Reason_REASON_FACE_TOO_SMALL, styleField,
			"the face in the style picture is too small to tell the person from the background; send a closer picture, or another background")
	}
	encoded, err := imaging.EncodePNG(canvas, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("encode framed style picture: %w", err)
	}
	framed, err := r.blobs.PutPicture(ctx, r.job.Key.Tenant, blob.Day, encoded, pngType)
	if err != nil {
		return nil, nil, fmt.Errorf("store framed style picture: %w", err)
	}
	return framed, boxes, nil
}

func (r *run) decodeStyle(ctx context.Context, data []byte, faces []*mediav1.Face) (*imaging.RGB, []*mediav1.Box, error) {
	if err := r.decoders.Acquire(ctx, 1); err != nil {
		return nil, nil, fmt.Errorf("wait to decode the style picture: %w", err)
	}
	defer r.decoders.Release(1)
	src, err := imaging.Decode(data, r.set.Limits)
	if err != nil {
		return nil, nil, blame(err, styleField)
	}
	canvas, boxes := frame(src, faces, r.set.Framing, int(r.want.GetWidth()), int(r.want.GetHeight()))
	return canvas, boxes, nil
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

func (r *run) segmentStyle(ctx context.Context, framed *mediav1.Picture, boxes []*mediav1.Box) (*mediav1.Picture, error) {
	r.progress(stageSegment, 0, 0)
	response, err := r.stages.Segmenter.SegmentPeople(r.call(ctx, stageSegment, 0), &segmenterv1.SegmentPeopleRequest{
		Bundle:  r.want.GetBundle(),
		Picture: framed,
		Faces:   boxes[:1],
		Width:   r.want.GetWidth(),
		Height:  r.want.GetHeight(),
	})
	if err != nil {
		return nil, blame(err, styleField)
	}
	if len(response.GetMasks()) != 1 {
		return nil, fmt.Errorf("segmenter answered %d masks for one face", len(response.GetMasks()))
	}
	return response.GetMasks()[0], nil
}

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
