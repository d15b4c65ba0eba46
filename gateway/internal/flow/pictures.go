package flow

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/mask"
	"github.com/facestudio/facestudio/services/tensor"
)

// makePictures makes all pictures side by side, so that the denoiser may put
// them in one batch.
func (r *run) makePictures(ctx context.Context, who []person, what guide) ([]*gatewayv1.ResultPicture, error) {
	pictures := make([]*gatewayv1.ResultPicture, r.want.GetPictureCount())
	together, ctx := errgroup.WithContext(ctx)
	for i := range pictures {
		together.Go(func() (err error) {
			pictures[i], err = r.makePicture(ctx, i, who, what)
			return err
		})
	}
	if err := together.Wait(); err != nil {
		return nil, err
	}
	return pictures, nil
}

func (r *run) makePicture(ctx context.Context, index int, who []person, what guide) (*gatewayv1.ResultPicture, error) {
	made, err := r.produce(ctx, index, who, what)
	if err != nil {
		return nil, err
	}
	r.progress(stageVerify, int32(index), r.want.GetSteps())
	together, ctx := errgroup.WithContext(ctx)
	picture := &gatewayv1.ResultPicture{
		Name:  fmt.Sprintf("%s/pictures/%d", r.want.GetName(), index),
		Width: made.GetWidth(), Height: made.GetHeight(),
	}
	together.Go(func() (err error) {
		picture.Faces, err = r.compare(ctx, index, made.GetPicture(), who)
		return err
	})
	together.Go(func() error {
		data, err := r.blobs.Picture(ctx, r.job.Key.Tenant, made.GetPicture())
		if err != nil {
			return fmt.Errorf("read picture %d: %w", index, err)
		}
		picture.Blob, err = r.blobs.Put(ctx, r.job.Key.Tenant, blob.Week, data, pngType)
		if err != nil {
			return fmt.Errorf("store picture %d: %w", index, err)
		}
		return nil
	})
	if err := together.Wait(); err != nil {
		return nil, err
	}
	return picture, nil
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

// compare tells which subject the largest face of a result is most like. A
// result whose face cannot be found is no failure: it has no faces.
func (r *run) compare(ctx context.Context, index int, picture *mediav1.Picture, who []person) ([]*gatewayv1.ResultFace, error) {
	response, err := r.stages.Encoder.EmbedFaces(r.call(ctx, stageVerify, index), &encoderv1.EmbedFacesRequest{
		Bundle:           r.want.GetBundle(),
		Photos:           []*mediav1.Picture{picture},
		LargestOfSeveral: true,
	})
	if err != nil {
		if f := fault.From(err); f.Kind == fault.Invalid {
			// The request was ours, not the caller's.
			return nil, fmt.Errorf("compare picture %d: %s", index, f.Message)
		}
		return nil, fmt.Errorf("compare picture %d: %w", index, err)
	}
	if len(response.GetFaces()) != 1 {
		return nil, fmt.Errorf("encoder answered %d faces for one picture", len(response.GetFaces()))
	}
	face := response.GetFaces()[0]
	if face.GetFault() != nil {
		return nil, nil
	}
	embedding, err := tensor.FromProto(face.GetEmbedding())
	if err != nil {
		return nil, fmt.Errorf("read face embedding of picture %d: %w", index, err)
	}
	similarities := make([]*gatewayv1.SubjectSimilarity, len(who))
	nearest := 0
	for i, p := range who {
		if len(embedding.Data) != len(p.embedding) {
			return nil, fmt.Errorf("face embedding of picture %d has %d values, want %d", index, len(embedding.Data), len(p.embedding))
		}
		similarities[i] = &gatewayv1.SubjectSimilarity{
			Subject: int32(i), Similarity: float32(tensor.Cosine(embedding.Data, p.embedding)),
		}
		if similarities[i].GetSimilarity() > similarities[nearest].GetSimilarity() {
			nearest = i
		}
	}
	return []*gatewayv1.ResultFace{{
		Box:          face.GetFace().GetBox(),
		Subject:      who[nearest].name,
		SubjectIndex: new(int32(nearest)),
		Similarity:   similarities[nearest].GetSimilarity(),
		Similarities: similarities,
	}}, nil
}
