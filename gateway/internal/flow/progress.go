package flow

import (
	"sync"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

func (r *run) progress(stage string, picture, step int32) {
	r.report(&gatewayv1.ProgressEvent{Progress: &gatewayv1.Progress{
		Stage: stage, Picture: picture, Step: step, Steps: r.steps(),
	}})
}

// steps are the sampling steps of a picture in all.
func (r *run) steps() int32 {
	return r.runs() * r.want.GetSteps()
}

// runs are those of the denoiser for one picture, with what is made side by side
// as one: the picture, its heads where they are refined, and corrections.
func (r *run) runs() int32 {
	n := 1 + r.want.GetCorrections()
	if r.want.GetRefineFaces() {
		n++
	}
	return n
}

// painting reports a step of the picture that is made from the noise of index.
func (r *run) painting(stage string, index int, p *denoiserv1.Progress) {
	before, preview := int32(0), p.GetPreview()
	if stage == stageRefine {
		before, preview = 1, nil // of a head alone
	}
	if r.correction > 0 {
		stage, before = stageCorrect, r.runs()-r.want.GetCorrections()+r.correction-1
	}
	r.report(&gatewayv1.ProgressEvent{
		Progress: &gatewayv1.Progress{
			Stage: stage, Picture: r.pictureOf(index), Step: before*p.GetSteps() + p.GetStep(), Steps: r.runs() * p.GetSteps(),
		},
		Preview: preview,
	})
}

// slowest is the progress of several calls as that of the one that is behind;
// the previews are those of the first.
type slowest struct {
	mu    sync.Mutex
	steps []int32
}

func (s *slowest) tell(i int, p *denoiserv1.Progress) *denoiserv1.Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps[i] = p.GetStep()
	all := &denoiserv1.Progress{Step: p.GetStep(), Steps: p.GetSteps()}
	for _, step := range s.steps {
		all.Step = min(all.Step, step)
	}
	if i == 0 {
		all.Preview = p.GetPreview()
	}
	return all
}
