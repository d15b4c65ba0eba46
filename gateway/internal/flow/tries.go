package flow

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// attempt is one try at a picture.
type attempt struct {
	// index is that of the noise that it was made from.
	index int
	// plain is the picture before its heads were refined.
	plain, made *denoiserv1.DenoiseResult
	look
}

// noiseOf is the index of the noise of a try at a picture: first_index + i +
// t*n, n being the number of pictures. So the first try is from the picture's
// own noise, no two are from the same, and none depends on how others went.
func (r *run) noiseOf(picture, try int) int {
	return int(r.want.GetFirstIndex()) + picture + try*int(r.want.GetPictureCount())
}

// pictureOf is the picture that a noise's index is tried for.
func (r *run) pictureOf(index int) int32 {
	return (int32(index) - r.want.GetFirstIndex()) % r.want.GetPictureCount()
}

// makePicture makes picture i: as many tries as best_of says, then new ones
// while the best is below min_similarity. The best is kept, of equal ones the
// first. busy bounds what is made at the same time.
func (r *run) makePicture(ctx context.Context, i int, busy *semaphore.Weighted, who []person, what guide) (*gatewayv1.ResultPicture, error) {
	first := max(1, r.want.GetBestOf())
	tries := append(make([]attempt, 0, first+r.want.GetMaxTries()), make([]attempt, first)...)
	together, side := errgroup.WithContext(ctx)
	for t := range tries {
		together.Go(func() (err error) {
			tries[t], err = r.try(side, r.noiseOf(i, t), busy, who, what)
			return err
		})
	}
	if err := together.Wait(); err != nil {
		return nil, err
	}
	chosen := best(tries)
	if r.want.MinSimilarity != nil {
		for range r.want.GetMaxTries() {
			if tries[chosen].score >= float64(r.want.GetMinSimilarity()) {
				break
			}
			next, err := r.try(ctx, r.noiseOf(i, len(tries)), busy, who, what)
			if err != nil {
				return nil, err
			}
			tries = append(tries, next)
			chosen = best(tries)
		}
	}
	kept := tries[chosen]
	picture := &gatewayv1.ResultPicture{
		Name:  fmt.Sprintf("%s/pictures/%d", r.want.GetName(), i),
		Width: kept.made.GetWidth(), Height: kept.made.GetHeight(),
		SeedIndex: int32(kept.index), Faces: kept.faces, Warnings: kept.warnings,
	}
	if r.want.GetBestOf() > 1 || r.want.MinSimilarity != nil {
		for t, one := range tries {
			picture.Tries = append(picture.Tries, one.message(t == chosen))
		}
	}
	var err error
	picture.Blob, err = r.finish(ctx, i, kept.made)
	return picture, err
}

func (r *run) try(ctx context.Context, index int, busy *semaphore.Weighted, who []person, what guide) (attempt, error) {
	if err := busy.Acquire(ctx, 1); err != nil {
		return attempt{}, fmt.Errorf("wait to make a picture: %w", err)
	}
	defer busy.Release(1)
	plain, made, err := r.produce(ctx, index, who, what)
	if err != nil {
		return attempt{}, err
	}
	first, err := r.lookAtTry(ctx, index, plain, made, who, what)
	if err != nil {
		return attempt{}, err
	}
	return r.correct(ctx, first, who, what)
}

// lookAtTry says who the faces of a try are.
func (r *run) lookAtTry(ctx context.Context, index int, plain, made *denoiserv1.DenoiseResult, who []person, what guide) (attempt, error) {
	r.progress(stageVerify, r.pictureOf(index), r.steps())
	shown, err := r.proof(ctx, made.GetPicture())
	if err != nil {
		return attempt{}, err
	}
	seen, err := r.verify(ctx, index, shown, who, what)
	return attempt{index, plain, made, seen}, err
}

// best is the index of the try with the greatest score, the first of equals.
func best(tries []attempt) int {
	chosen := 0
	for t, one := range tries {
		if one.score > tries[chosen].score {
			chosen = t
		}
	}
	return chosen
}

func (a attempt) message(chosen bool) *gatewayv1.Try {
	return &gatewayv1.Try{
		SeedIndex: int32(a.index), Similarities: a.own, Score: float32(a.score), Chosen: chosen, Warnings: a.warnings,
	}
}
