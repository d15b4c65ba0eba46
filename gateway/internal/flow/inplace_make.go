package flow

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/provenance"
)

// laneBits is where a person's lane begins in the index of the noise: picture i
// of person k is made from the noise of index k * 2^16 + i, so a head's noise
// depends neither on how many pictures nor on which people are asked for.
const laneBits = 16

const (
	// maxPlaced is the most bytes of a photo with new heads, as PNG: it must fit
	// a message to the caller.
	maxPlaced = 60 << 20
	// maxProof is the most bytes of a picture that the encoder reads.
	maxProof = 16 << 20
	// proofQuality is the JPEG quality of what it is shown in place of a larger
	// one; the largest photo that is decoded stays below maxProof with it.
	proofQuality = 85
)

// makeInPlace makes every head of a picture, side by side, and puts them into
// the photo.
func (r *run) makeInPlace(ctx context.Context, stage string, index int, who []person, what guide) (*denoiserv1.DenoiseResult, error) {
	made := make([]*denoiserv1.DenoiseResult, len(what.heads))
	steps := &slowest{steps: make([]int32, len(what.heads))}
	together, stages := errgroup.WithContext(ctx)
	for i, h := range what.heads {
		together.Go(func() (err error) {
			own := guide{image: h.image, text: what.text, cast: cast{{subject: h.subject, person: h.person, mask: h.region}}}
			if r.keeps() || r.want.Strength != nil {
				own.style = h.style
			}
			made[i], err = r.denoise(stages, h.person<<laneBits|index, who, own, func(p *denoiserv1.Progress) {
				r.painting(stage, index, steps.tell(i, p))
			})
			return err
		})
	}
	if err := together.Wait(); err != nil {
		return nil, err
	}
	return r.pasteHeads(ctx, index, what.heads, made)
}

// pasteHeads puts made heads into the photo: every pixel outside their mattes
// is the photo's own.
func (r *run) pasteHeads(ctx context.Context, index int, heads []*head, made []*denoiserv1.DenoiseResult) (*denoiserv1.DenoiseResult, error) {
	patches := make([]imaging.Patch, len(heads))
	var record provenance.Record
	for i, h := range heads {
		data, err := r.blobs.Picture(ctx, r.job.Key.Tenant, made[i].GetPicture())
		if err != nil {
			return nil, fmt.Errorf("read head %d of picture %d: %w", i, index, err)
		}
		if record, err = provenance.Read(data); err != nil {
			return nil, fmt.Errorf("head %d of picture %d: %w", i, index, err)
		}
		picture, err := imaging.Decode(data, r.set.Limits)
		if err != nil {
			return nil, fmt.Errorf("read head %d of picture %d: %w", i, index, err)
		}
		if h.face != nil {
			picture = imaging.MatchLight(picture, h.crop, h.face)
		}
		patches[i] = imaging.Patch{Made: picture, Crop: h.crop, Matte: h.matte, Move: h.move}
	}
	var encoded []byte
	result := &denoiserv1.DenoiseResult{NoiseVersion: made[0].GetNoiseVersion()}
	err := r.withPhoto(ctx, func(photo *imaging.RGB) error {
		whole, err := imaging.Paste(photo, patches)
		if err != nil {
			return fmt.Errorf("picture %d: %w", index, err)
		}
		result.Width, result.Height = int32(whole.W), int32(whole.H)
		encoded, err = imaging.EncodePNG(whole, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	record.Index = uint32(index)
	if encoded, err = provenance.Sign(encoded, record); err != nil {
		return nil, fmt.Errorf("picture %d: %w", index, err)
	}
	if len(encoded) > maxPlaced {
		return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_IMAGE_TOO_LARGE, styleField,
			"the photo with its new heads has %d bytes as PNG, at most %d are kept: scale the photo down", len(encoded), maxPlaced)
	}
	result.Picture, err = r.blobs.PutPicture(ctx, r.job.Key.Tenant, blob.Day, encoded, pngType)
	if err != nil {
		return nil, fmt.Errorf("store picture %d: %w", index, err)
	}
	return result, nil
}

// proof is a made picture as the encoder may look at it: itself, or a JPEG of
// it when it is too large.
func (r *run) proof(ctx context.Context, made *mediav1.Picture) (*mediav1.Picture, error) {
	if made.GetBlob().GetSize() <= maxProof {
		return made, nil
	}
	data, err := r.blobs.Picture(ctx, r.job.Key.Tenant, made)
	if err != nil {
		return nil, fmt.Errorf("read a large picture: %w", err)
	}
	if err := r.decoders.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait to decode a large picture: %w", err)
	}
	defer r.decoders.Release(1)
	picture, err := imaging.Decode(data, imaging.Limits{MaxBytes: maxPlaced, MinSide: 1})
	if err != nil {
		return nil, fmt.Errorf("read a large picture: %w", err)
	}
	encoded, err := imaging.EncodeJPEG(picture, proofQuality)
	if err != nil {
		return nil, err
	}
	return r.blobs.PutPicture(ctx, r.job.Key.Tenant, blob.Day, encoded, "image/jpeg")
}
