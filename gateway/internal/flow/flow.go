// Package flow makes the pictures of one generation: straight-line code that
// calls the stages of the mesh one after the other, side by side where they do
// not need each other. It holds no state. Every call of a stage is durable and
// memoised by whoever carries it, so a flow that died is simply run again by
// another gateway: what was done already answers at once.
package flow

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/verdict"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// The stages as Progress names them.
const (
	stageEncode  = "encode"
	stagePrior   = "prior"
	stageSegment = "segment"
	stageDenoise = "denoise"
	stageRefine  = "refine"
	stageCorrect = "correct"
	stageVerify  = "verify"
	stageFinish  = "finish"
)

// Stages are the clients of the mesh's stages, whatever carries their calls.
type Stages struct {
	Encoder   encoderv1.EncoderServiceClient
	Prior     priorv1.PriorServiceClient
	Segmenter segmenterv1.SegmenterServiceClient
	Denoiser  denoiserv1.DenoiserServiceClient
}

// Connect returns the stages behind four connections, which may be the same.
func Connect(encoder, prior, segmenter, denoiser grpc.ClientConnInterface) Stages {
	return Stages{
		Encoder:   encoderv1.NewEncoderServiceClient(encoder),
		Prior:     priorv1.NewPriorServiceClient(prior),
		Segmenter: segmenterv1.NewSegmenterServiceClient(segmenter),
		Denoiser:  denoiserv1.NewDenoiserServiceClient(denoiser),
	}
}

// Blobs is where pictures are kept.
type Blobs interface {
	// Picture returns the bytes of a picture, inline or by digest.
	Picture(ctx context.Context, tenant string, p *mediav1.Picture) ([]byte, error)
	// PutPicture returns a message for bytes, which it stores when they are
	// many.
	PutPicture(ctx context.Context, tenant, retention string, data []byte, mediaType string) (*mediav1.Picture, error)
	// Put stores bytes.
	Put(ctx context.Context, tenant, retention string, data []byte, mediaType string) (*mediav1.Blob, error)
}

// Settings says how pictures are made ready for the stages.
type Settings struct {
	// Framing is how the style picture is put on the canvas.
	Framing bundle.Framing
	// Portrait is the side of the canvas that one head is made on to be refined,
	// pixels.
	Portrait int
	// Similarity is that of the bundle's face encoder; nil: it is not told.
	Similarity *bundle.Similarity
	// Limits bound what is decoded.
	Limits imaging.Limits
	// Subjects has the enrolled subjects; nil: there are none.
	Subjects Subjects
	// Forget drops what the transport to the encoder keeps of a call's result;
	// nil: it keeps nothing.
	Forget func(ctx context.Context, method string, request any) error
}

// Job is one generation to make.
type Job struct {
	// Key names its record.
	Key jobqueue.RecordKey
	// Class of its calls: jobqueue.Interactive or Batch.
	Class string
	// First says that nobody has run it before: none of its calls has been made.
	First bool
	// Generation is what was asked, with all defaults filled in and pictures by
	// digest. It is not changed.
	Generation *gatewayv1.Generation
}

// Result is what a flow made.
type Result struct {
	// Pictures in order of their index; complete when Run returned no error.
	Pictures []*gatewayv1.ResultPicture
	// Verdicts has one entry for each photo, once they were looked at.
	Verdicts []*gatewayv1.PhotoVerdict
	// Placements tells who went where, once that is known.
	Placements []*gatewayv1.PlacedPerson
}

// Report takes progress. It must not block and may be called by several
// goroutines at once. Events may be dropped.
type Report func(*gatewayv1.ProgressEvent)

// Flow runs generations. It may be used by many goroutines.
type Flow struct {
	stages Stages
	blobs  Blobs
	set    Settings
	levels verdict.Levels
	// decoders bounds the style pictures that are pixels in memory.
	decoders *semaphore.Weighted
}

// maxDecoders is how many style pictures are decoded at the same time: the
// largest allowed takes hundreds of megabytes.
const maxDecoders = 2

// New returns a flow over the stages.
func New(stages Stages, blobs Blobs, s Settings) *Flow {
	return &Flow{stages: stages, blobs: blobs, set: s, levels: verdict.LevelsOf(s.Similarity), decoders: semaphore.NewWeighted(maxDecoders)}
}

// Run makes the pictures of a generation. The result's verdicts are also set
// when it fails because of the photos. Faults name the generation's field that
// is to blame; when ctx ended, the error's cause is the context's.
func (f *Flow) Run(ctx context.Context, job Job, report Report) (Result, error) {
	r := &run{Flow: f, job: job, want: job.Generation, report: report}
	var result Result
	err := r.whileEnrolled(ctx, func(ctx context.Context) (err error) {
		result, err = r.do(ctx)
		return err
	})
	if err != nil {
		result.Pictures = nil
	}
	if err != nil && ctx.Err() != nil {
		return result, fmt.Errorf("run generation: %w", context.Cause(ctx))
	}
	return result, err
}

// run is one generation in flight.
type run struct {
	*Flow
	job    Job
	want   *gatewayv1.Generation
	report Report
	// part is what of the generation this makes, as owners of calls tell it; empty:
	// all of it.
	part string
	// correction counts the corrections of a picture; 0: it is made the first time.
	correction int32
}

// guide is what the picture should look like.
type guide struct {
	// image is e_h [D], nil without a style picture.
	image *mediav1.Tensor
	// text is e_T [D], nil without a prompt.
	text *mediav1.Tensor
	// style is the style picture on the canvas; only when its background is kept
	// or the picture starts from it.
	style *mediav1.Picture
	// cast is who is in the picture.
	cast cast
	// move takes the places of the cast to the picture that is made.
	move imaging.Affine
	// heads are what is made anew in the style picture itself; empty but in
	// place.
	heads []*head
}

func (r *run) do(ctx context.Context) (Result, error) {
	var (
		who    []person
		what   guide
		result Result
	)
	what.move = imaging.Affine{1, 0, 0, 0, 1, 0}
	r.progress(stageEncode, 0, 0)
	together, stages := errgroup.WithContext(ctx)
	together.Go(func() (err error) {
		who, result.Verdicts, err = r.embedSubjects(stages)
		return err
	})
	together.Go(func() (err error) {
		switch {
		case r.want.GetInPlace():
			what.heads, what.cast, err = r.readPhoto(stages)
		case r.usesStyle():
			err = r.readStyle(stages, &what)
		default:
			what.cast, err = r.placeOnCanvas(stages)
		}
		return err
	})
	if r.usesText() {
		together.Go(func() (err error) {
			what.text, err = r.readPrompt(stages)
			return err
		})
	}
	if err := together.Wait(); err != nil {
		return result, err
	}
	result.Placements = what.cast.placements()
	var err error
	result.Pictures, err = r.makePictures(ctx, who, what)
	if err != nil {
		return result, err
	}
	r.progress(stageFinish, 0, 0)
	return result, nil
}

// usesStyle tells whether the style picture matters at all: when all weight is
// on the prompt, only for what it shows of places and pixels.
func (r *run) usesStyle() bool {
	return r.want.GetStyle() != nil && (r.guidesByStyle() || r.keeps() || r.want.Strength != nil || r.placesPeople())
}

// placesPeople tells whether it matters where people are.
func (r *run) placesPeople() bool {
	subjects := r.want.GetSubjects()
	return len(subjects) > 1 || subjects[0].GetAt() != nil
}

func (r *run) guidesByStyle() bool {
	return r.want.GetStyle() != nil && r.someAlpha(func(alpha float32) bool { return alpha > 0 })
}

func (r *run) usesText() bool {
	return r.want.GetPrompt() != "" && r.someAlpha(func(alpha float32) bool { return alpha < 1 })
}

// someAlpha tells whether the generation's or a subject's own weight of the
// style is such.
func (r *run) someAlpha(is func(float32) bool) bool {
	return is(r.want.GetAlpha()) || slices.ContainsFunc(r.want.GetSubjects(), func(s *gatewayv1.GenerationSubject) bool {
		return s.Alpha != nil && is(s.GetAlpha())
	})
}

func (r *run) keeps() bool {
	return r.want.GetBackground() == denoiserv1.Background_BACKGROUND_KEEP
}

// call is the context of one call of a stage. The owner is the same whichever
// gateway makes the call, so that a repeated one is the same work.
func (r *run) call(ctx context.Context, stage string, index int) context.Context {
	return jobqueue.WithCall(ctx, jobqueue.Call{
		Tenant: r.job.Key.Tenant,
		Class:  r.job.Class,
		Record: r.job.Key.ID,
		Owner:  fmt.Sprintf("generations/%s/%s%s/%d", r.job.Key.ID, r.part, stage, index),
		First:  r.job.First,
	})
}

// about is call for a call about one field of the generation.
func (r *run) about(ctx context.Context, stage, field string) context.Context {
	return jobqueue.WithCall(ctx, jobqueue.Call{
		Tenant: r.job.Key.Tenant,
		Class:  r.job.Class,
		Record: r.job.Key.ID,
		Owner:  fmt.Sprintf("generations/%s/%s%s/%s", r.job.Key.ID, r.part, stage, field),
		First:  r.job.First,
	})
}
