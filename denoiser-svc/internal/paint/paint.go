package paint

import (
	"context"
	"fmt"

	"github.com/facestudio/facestudio/denoiser-svc/internal/guidance"
	"github.com/facestudio/facestudio/denoiser-svc/internal/sample"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

const (
	// previewSide bounds a preview's longer side, pixels.
	previewSide = 256
	// previewQuality is its JPEG quality.
	previewQuality = 75
)

// Models are the graphs that a picture needs.
type Models interface {
	guidance.Linear
	guidance.UNet
	// Encode returns the latents [1,c,h,w] of pixels [1,3,H,W].
	Encode(ctx context.Context, pixels *tensor.Tensor) (*tensor.Tensor, error)
	// Decode returns the pixels [1,3,H,W] of latents [1,c,h,w].
	Decode(ctx context.Context, latent *tensor.Tensor) (*tensor.Tensor, error)
}

// Painter makes pictures with the models of one bundle. It may be used by many
// goroutines.
type Painter struct {
	models    Models
	scheduler *sample.Scheduler
	gate      *sample.Gate
	schedule  *diffusion.Schedule
	manifest  *bundle.Manifest
	batching  guidance.Batching
	bundle    string
}

// New returns a painter that makes up to slots pictures at a time, up to batch
// of them in one run of the U-Net where the bundle allows. It fails with
// BUNDLE_INVALID when the bundle asks for something that it cannot do. The
// caller closes it.
func New(models Models, b *bundle.Bundle, slots, batch int) (*Painter, error) {
	m := &b.Manifest
	if m.Unconditional != "zero_embeddings" || m.TextTokens != 0 {
		return nil, fault.New(fault.Precondition, faultv1.Reason_REASON_BUNDLE_INVALID, "bundle.json",
			"this version samples bundles with unconditional \"zero_embeddings\" and text_tokens 0, not %q and %d", m.Unconditional, m.TextTokens)
	}
	s := m.Schedule
	schedule, err := diffusion.NewSchedule(diffusion.Betas(s.BetaSchedule), s.BetaStart, s.BetaEnd, s.TrainSteps)
	if err != nil {
		return nil, fault.Wrap(err, fault.Precondition, faultv1.Reason_REASON_BUNDLE_INVALID, "bundle.json", "the schedule is wrong")
	}
	p := &Painter{models: models, schedule: schedule, manifest: m, batching: batching(m), bundle: b.Digest(), gate: sample.NewGate(slots)}
	if _, err := p.sampler(&Job{Steps: m.Sampling.Steps, Method: diffusion.Method(m.Sampling.Sampler)}); err != nil {
		return nil, fault.Wrap(err, fault.Precondition, faultv1.Reason_REASON_BUNDLE_INVALID, "bundle.json", "the sampling is wrong")
	}
	p.scheduler = sample.NewScheduler(batch)
	return p, nil
}

// Close ends what is in flight.
func (p *Painter) Close() { p.scheduler.Close() }

// Paint makes the picture of a job as PNG, telling report of each step. It
// ends within a step once ctx ends or report fails. The picture depends on the
// job and the bundle alone, also where checkpoints, which may be nil, has a
// state of it to go on from.
func (p *Painter) Paint(ctx context.Context, j *Job, checkpoints Checkpoints, report func(Progress) error) ([]byte, error) {
	leave, err := p.gate.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	setup, keep, err := p.begin(ctx, j)
	if err != nil {
		return nil, err
	}
	g := generation(ctx, setup, checkpoints)
	if err := p.sample(ctx, g, j, keep, checkpoints, report); err != nil {
		return nil, err
	}
	picture, err := p.decode(ctx, j, keep, g.Latent())
	if err != nil {
		return nil, err
	}
	return p.signed(j, picture)
}

// sample steps the generation to its end.
func (p *Painter) sample(ctx context.Context, g *sample.Generation, j *Job, keep *kept, checkpoints Checkpoints, report func(Progress) error) error {
	if g.Done() == g.Steps() {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := sample.Watch{Preview: j.PreviewEvery}
	var saver *saver
	if checkpoints != nil {
		watch.State = checkpointEvery
		saver = newSaver(ctx, checkpoints)
		defer saver.close()
	}
	task, err := p.scheduler.Start(ctx, g, watch)
	if err != nil {
		return err
	}
	steps := newStepSpans(ctx)
	for event := range task.Events() {
		steps.made(event.Step)
		if context.Cause(ctx) != nil {
			continue
		}
		if event.State != nil {
			saver.offer(*event.State)
		}
		progress := Progress{Step: event.Step, Steps: g.Steps()}
		var err error
		if event.Preview != nil {
			progress.Preview, err = p.preview(ctx, j, keep, event.Preview)
		}
		if err == nil {
			err = report(progress)
		}
		if err != nil {
			cancel(err)
		}
	}
	return task.Wait()
}

func (p *Painter) preview(ctx context.Context, j *Job, keep *kept, latent []float32) ([]byte, error) {
	picture, err := p.decode(ctx, j, keep, latent)
	if err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	if side := max(picture.W, picture.H); side > previewSide {
		picture = imaging.Resize(picture, max(1, picture.W*previewSide/side), max(1, picture.H*previewSide/side))
	}
	return imaging.EncodeJPEG(picture, previewQuality)
}

// decode returns the picture of latents [c,h,w].
func (p *Painter) decode(ctx context.Context, j *Job, keep *kept, latent []float32) (*imaging.RGB, error) {
	spec := p.manifest.Latent
	z, err := tensor.From(latent, 1, int64(spec.Channels), int64(j.Height/spec.Factor), int64(j.Width/spec.Factor))
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	pixels, err := p.models.Decode(ctx, z)
	if err != nil {
		return nil, fmt.Errorf("decode the picture: %w", err)
	}
	if !pixels.Is(1, 3, int64(j.Height), int64(j.Width)) {
		return nil, fmt.Errorf("decode the picture: pixels %v, expected %d x %d", pixels.Shape, j.Width, j.Height)
	}
	picture := imaging.FromTensor(pixels, 0, p.manifest.Pixels.Mean, p.manifest.Pixels.Std)
	if keep != nil {
		keep.composite(picture)
	}
	return picture, nil
}
