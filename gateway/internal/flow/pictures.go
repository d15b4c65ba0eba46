package flow

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/mask"
	"github.com/facestudio/facestudio/services/tensor"
)

// maxInFlight is how many pictures of a generation are made at the same time,
// all tries together: as many as may be asked for without tries.
const maxInFlight = 8

// makePictures makes all pictures side by side, so that the denoiser may put
// them in one batch.
func (r *run) makePictures(ctx context.Context, who []person, what guide) ([]*gatewayv1.ResultPicture, error) {
	pictures := make([]*gatewayv1.ResultPicture, r.want.GetPictureCount())
	busy := semaphore.NewWeighted(maxInFlight)
	together, ctx := errgroup.WithContext(ctx)
	for i := range pictures {
		together.Go(func() (err error) {
			pictures[i], err = r.makePicture(ctx, i, busy, who, what)
			return err
		})
	}
	if err := together.Wait(); err != nil {
		return nil, err
	}
	return pictures, nil
}

// produce makes picture index, by one call of the denoiser or, in place, by one for
// each head; and its heads once more, where they are to be refined. plain is the
// picture before that.
func (r *run) produce(ctx context.Context, index int, who []person, what guide) (plain, made *denoiserv1.DenoiseResult, err error) {
	if r.want.GetInPlace() {
		made, err = r.makeInPlace(ctx, stageDenoise, index, who, what)
		return made, made, err
	}
	plain, err = r.denoise(ctx, index, who, what, func(p *denoiserv1.Progress) { r.painting(stageDenoise, index, p) })
	if err != nil || !r.want.GetRefineFaces() {
		return plain, plain, err
	}
	made, err = r.refine(ctx, index, plain, who, what)
	return plain, made, err
}

// denoise makes one picture of the noise of an index and tells its progress.
func (r *run) denoise(ctx context.Context, index int, who []person, what guide, tell func(*denoiserv1.Progress)) (*denoiserv1.DenoiseResult, error) {
	// A stream that is left early lives on until its context ends.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	identities, err := r.identities(who, what.cast)
	if err != nil {
		return nil, err
	}
	stream, err := r.stages.Denoiser.Denoise(r.call(ctx, stageDenoise, index), &denoiserv1.DenoiseRequest{
		Bundle:             r.want.GetBundle(),
		Generation:         r.want.GetName(),
		Index:              uint32(index),
		Seed:               r.want.GetSeed(),
		Width:              r.want.GetWidth(),
		Height:             r.want.GetHeight(),
		Steps:              r.want.GetSteps(),
		GuidanceScale:      r.want.GetGuidanceScale(),
		Identities:         identities,
		ImageEmbedding:     what.image,
		TextImageEmbedding: what.text,
		Alpha:              r.want.GetAlpha(),
		Background:         r.want.GetBackground(),
		Style:              what.style,
		PreviewEvery:       r.want.GetPreviewEvery(),
		Sampler:            r.want.GetSampler(),
		KarrasSigmas:       r.want.GetKarrasSigmas(),
		Strength:           r.want.Strength,
	})
	if err != nil {
		return nil, blameDenoise(err, what.cast)
	}
	for {
		event, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fault.New(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "",
				"the denoiser ended without a result; retry")
		case err != nil:
			return nil, blameDenoise(err, what.cast)
		}
		if result := event.GetResult(); result != nil {
			return result, nil
		}
		if p := event.GetProgress(); p != nil {
			tell(p)
		}
	}
}

// identities are the people of the cast as the denoiser takes them.
func (r *run) identities(who []person, c cast) ([]*denoiserv1.Identity, error) {
	out := make([]*denoiserv1.Identity, len(c))
	for i, one := range c {
		out[i] = &denoiserv1.Identity{Mask: one.mask}
		if one.subject == mask.Nobody {
			continue
		}
		e := who[one.subject].embedding
		embedding, err := tensor.From(e, int64(len(e)))
		if err != nil {
			return nil, fmt.Errorf("face embedding: %w", err)
		}
		out[i].FaceEmbedding = tensor.ToProto(embedding)
		out[i].Alpha = r.want.GetSubjects()[one.subject].Alpha
	}
	return out, nil
}
