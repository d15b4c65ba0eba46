package flow

import (
	"context"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
)

// readPrompt computes e_T = Prior(CLIP_t(P)), once for all pictures of the
// generation: each differs from the others by the sampler's noise alone.
func (r *run) readPrompt(ctx context.Context) (*mediav1.Tensor, error) {
	embedded, err := r.stages.Encoder.EmbedTexts(r.call(ctx, stageEncode, 3), &encoderv1.EmbedTextsRequest{
		Bundle: r.want.GetBundle(),
		Texts:  []string{r.want.GetPrompt()},
	})
	if err != nil {
		return nil, blame(err, promptField)
	}
	text, err := onlyRow(embedded.GetEmbeddings())
	if err != nil {
		return nil, err
	}
	r.progress(stagePrior, 0, 0)
	response, err := r.stages.Prior.EmbedImage(r.call(ctx, stagePrior, 0), &priorv1.EmbedImageRequest{
		Bundle:        r.want.GetBundle(),
		TextEmbedding: text,
		Seed:          r.want.GetSeed(),
	})
	if err != nil {
		return nil, blame(err, promptField)
	}
	return response.GetEmbedding(), nil
}
