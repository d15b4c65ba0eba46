package flow

import (
	"context"
	"fmt"
	"slices"

	"github.com/facestudio/facestudio/gateway/internal/identity"
)

// correct makes a try again, as often as was asked for, from the same noise with
// embeddings that are moved against what its faces lack (identity.Corrected), and
// returns the try that is most similar. It ends early where that is not the latest
// one, or no subject has a face.
func (r *run) correct(ctx context.Context, best attempt, who []person, what guide) (attempt, error) {
	aimed := who
	for k := range r.want.GetCorrections() {
		var err error
		if aimed, err = corrected(aimed, who, best.look); err != nil || aimed == nil {
			return best, err
		}
		again := *r
		again.part, again.correction = fmt.Sprintf("%s%s/%d/", r.part, stageCorrect, k+1), k+1
		next, err := again.remade(ctx, best, aimed, who, what)
		if err != nil || next.score <= best.score {
			return best, err
		}
		best = next
	}
	return best, nil
}

// remade is a try once more, with the embeddings of aimed: of the picture, or of
// the heads alone where these are made alone.
func (r *run) remade(ctx context.Context, was attempt, aimed, who []person, what guide) (attempt, error) {
	again := was
	var err error
	if r.want.GetRefineFaces() {
		again.made, err = r.refine(ctx, was.index, was.plain, aimed, what)
	} else {
		again.plain, again.made, err = r.produce(ctx, was.index, aimed, what)
	}
	if err != nil {
		return attempt{}, err
	}
	return r.lookAtTry(ctx, was.index, again.plain, again.made, who, what)
}

// corrected are the people with embeddings for another run; nil where no face says
// what they lack.
func corrected(aimed, who []person, seen look) ([]person, error) {
	out, some := slices.Clone(aimed), false
	for j, got := range seen.embeddings {
		if got == nil {
			continue
		}
		e, err := identity.Corrected(aimed[j].embedding, who[j].embedding, got)
		if err != nil {
			return nil, err
		}
		out[j].embedding, some = e, true
	}
	if !some {
		return nil, nil
	}
	return out, nil
}
