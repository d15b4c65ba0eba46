package flow

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
	"github.com/facestudio/facestudio/services/tensor"
)

// head is one head of a photo, or of a made picture, that is made anew in its
// place.
type head struct {
	// subject is who it becomes and person whose it is, from the left.
	subject, person int
	// own is the caller's mask of the person; nil without one.
	own *ownMask
	// masks are of the people on the canvas, its own person first; nil: the
	// segmenter tells.
	masks [][]float32
	// scene says that not the head alone is made anew but all around it that is
	// nobody else's.
	scene bool
	// move takes the photo to the canvas, and crop is the photo there.
	move imaging.Affine
	crop *imaging.RGB
	// matte is how much of each canvas pixel is new, face how much of the face it
	// is, [H,W]; face is nil when the light need not be that of the crop.
	matte, face []float32
	// style is the crop and region where it is made anew, as the denoiser takes
	// them; a nil region is everywhere. image is e_h [D] of the crop, nil when the
	// style does not guide.
	style, region *mediav1.Picture
	image         *mediav1.Tensor
	// look is what e_h is of when it is not the crop.
	look *mediav1.Picture
}

// readPhoto finds the people of the style picture, gives them to the subjects,
// and reads what the denoiser needs of each head that is made anew. The cast is
// everybody, also those who stay as they are.
func (r *run) readPhoto(ctx context.Context) ([]*head, cast, error) {
	found, err := r.stages.Encoder.DetectFaces(r.call(ctx, stageEncode, 1), &encoderv1.DetectFacesRequest{
		Bundle:  r.want.GetBundle(),
		Picture: r.want.GetStyle(),
	})
	if err != nil {
		return nil, nil, blame(err, styleField)
	}
	people := peopleOf(found.GetFaces())
	if len(people) == 0 {
		return nil, nil, fault.New(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND, styleField,
			"no face was found in the photo, so there is nobody to make anew in place: send one with the whole face in view, or leave in_place out")
	}
	w, h := int(found.GetWidth()), int(found.GetHeight())
	own, err := r.readMasks(ctx, w, h, "the style picture")
	if err != nil {
		return nil, nil, err
	}
	all, err := castOf(r.want.GetSubjects(), own, people)
	if err != nil {
		return nil, nil, err
	}
	heads, err := r.headsOf(all, people, w, h)
	if err != nil {
		return nil, nil, err
	}
	return heads, all, r.readHeads(ctx, heads, people, found.GetFaces())
}

// readHeads reads what the denoiser needs of heads, whose faces people are, in
// the style picture with these faces.
func (r *run) readHeads(ctx context.Context, heads []*head, people, faces []*mediav1.Face) error {
	if err := r.cropHeads(ctx, heads); err != nil {
		return err
	}
	together, ctx := errgroup.WithContext(ctx)
	boxes := make([][]*mediav1.Box, len(heads))
	for i, h := range heads {
		boxes[i] = r.facesOf(h, faces, people[h.person])
	}
	together.Go(func() error { return r.embedHeads(ctx, heads, boxes) })
	for i, h := range heads {
		together.Go(func() error { return r.cutHead(ctx, h, boxes[i]) })
	}
	return together.Wait()
}

// headsOf returns the heads that the subjects get, from left to right.
func (r *run) headsOf(all cast, people []*mediav1.Face, w, h int) ([]*head, error) {
	var heads []*head
	for _, role := range all {
		if role.subject == mask.Nobody {
			continue
		}
		if role.person == mask.Nobody {
			return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_UNKNOWN_PERSON, maskField(role.subject),
				"the mask covers no visible face of the photo, and in place a head is made where a face is: cover the person's face too")
		}
		move, err := r.align(people[role.person], role.person, w, h)
		if err != nil {
			return nil, err
		}
		heads = append(heads, &head{subject: role.subject, person: role.person, own: role.own, move: move})
	}
	return heads, nil
}

// cropHeads sets the crop of every head and stores it for the stages.
func (r *run) cropHeads(ctx context.Context, heads []*head) error {
	err := r.withPhoto(ctx, func(photo *imaging.RGB) error {
		for _, h := range heads {
			h.crop = imaging.Warp(photo, h.move, r.width(), r.height(), edgeOf(r.set.Framing))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, h := range heads {
		if h.style, err = r.putCrop(ctx, h.crop); err != nil {
			return err
		}
	}
	return nil
}

// putCrop stores what is on a head's canvas for the stages.
func (r *run) putCrop(ctx context.Context, crop *imaging.RGB) (*mediav1.Picture, error) {
	encoded, err := imaging.EncodePNG(crop, nil)
	if err != nil {
		return nil, fmt.Errorf("encode a head's crop: %w", err)
	}
	stored, err := r.blobs.PutPicture(ctx, r.job.Key.Tenant, blob.Day, encoded, pngType)
	if err != nil {
		return nil, fmt.Errorf("store a head's crop: %w", err)
	}
	return stored, nil
}

// withPhoto calls do with the style picture's pixels, which are the largest
// thing in memory: no more than maxDecoders are there at a time.
func (r *run) withPhoto(ctx context.Context, do func(*imaging.RGB) error) error {
	data, err := r.blobs.Picture(ctx, r.job.Key.Tenant, r.want.GetStyle())
	if err != nil {
		return blame(err, styleField)
	}
	if err := r.decoders.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait to decode the photo: %w", err)
	}
	defer r.decoders.Release(1)
	photo, err := imaging.Decode(data, r.set.Limits)
	if err != nil {
		return blame(err, styleField)
	}
	return do(photo)
}

// facesOf returns the boxes of the faces on a head's canvas, its own first.
func (r *run) facesOf(h *head, faces []*mediav1.Face, own *mediav1.Face) []*mediav1.Box {
	others := slices.DeleteFunc(slices.Clone(faces), func(f *mediav1.Face) bool { return f == own })
	boxes := boxesOn(h.move, append([]*mediav1.Face{own}, others...), r.width(), r.height())
	return slices.DeleteFunc(boxes, func(b *mediav1.Box) bool { return b == nil })
}

// embedHeads sets e_h of all crops by one call, when the style guides.
func (r *run) embedHeads(ctx context.Context, heads []*head, boxes [][]*mediav1.Box) error {
	if !r.guidesByStyle() {
		return nil
	}
	images := make([]*encoderv1.ImageToEmbed, len(heads))
	for i, h := range heads {
		images[i] = &encoderv1.ImageToEmbed{Picture: cmp.Or(h.look, h.style), Faces: boxes[i][:min(len(boxes[i]), maxBoxes)]}
	}
	response, err := r.stages.Encoder.EmbedImages(r.call(ctx, stageEncode, 2), &encoderv1.EmbedImagesRequest{
		Bundle: r.want.GetBundle(), Images: images,
	})
	if err != nil {
		return blame(err, styleField)
	}
	rows, err := tensor.FromProto(response.GetEmbeddings())
	if err != nil {
		return fmt.Errorf("read embeddings: %w", err)
	}
	if !rows.Is(int64(len(heads)), -1) {
		return fmt.Errorf("embeddings have shape %v, want [%d,D]", rows.Shape, len(heads))
	}
	for i, h := range heads {
		h.image = tensor.ToProto(rows.Row(i))
	}
	return nil
}

// cutHead sets the matte and the region of a head: of masks that are known, of
// the segmenter's, or of the caller's own.
func (r *run) cutHead(ctx context.Context, h *head, boxes []*mediav1.Box) error {
	masks := h.masks
	if masks == nil {
		var err error
		if masks, err = r.segmentHead(ctx, h, boxes[:min(len(boxes), maxPeople)]); err != nil {
			return err
		}
	}
	if h.scene {
		h.matte = mask.Around(masks[1:], r.width(), r.height())
		return nil
	}
	cut := mask.Head{Person: masks[0], Others: masks[1:]}
	if h.own != nil {
		cut.Person = h.own.on(h.move, r.width(), r.height())
	}
	cut.Around, cut.Face = headOn(r.set.Framing.Template, r.width(), r.height())
	matte, region := cut.Matte(r.width(), r.height())
	h.matte, h.face = matte, cut.Face.Soft(r.width(), r.height())
	var err error
	h.region, err = r.putMask(ctx, region)
	return err
}

// segmentHead returns the masks of the people on a head's canvas, its own
// first.
func (r *run) segmentHead(ctx context.Context, h *head, boxes []*mediav1.Box) ([][]float32, error) {
	r.progress(stageSegment, 0, 0)
	pictures, err := r.segment(ctx, h.person, h.style, boxes)
	if err != nil {
		return nil, err
	}
	masks := make([][]float32, len(pictures))
	for i, picture := range pictures {
		if masks[i], err = r.maskValues(ctx, picture); err != nil {
			return nil, err
		}
	}
	return masks, nil
}
