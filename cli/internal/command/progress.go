package command

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// progress shows how far a generation is.
type progress interface {
	// Tell shows a state of the work.
	Tell(p *gatewayv1.Progress)
	// End leaves the place to what is printed next.
	End()
}

// stages are the words for what a generation is doing.
var stages = map[string]string{
	"queue":   "waiting for its turn",
	"encode":  "reading the photos",
	"prior":   "imagining the prompt",
	"segment": "finding the person",
	"denoise": "painting",
	"refine":  "refining the faces",
	"correct": "correcting the faces",
	"verify":  "comparing the faces",
	"finish":  "storing",
}

func stageName(stage string) string {
	if name, ok := stages[stage]; ok {
		return name
	}
	return stage
}

// newProgress is a bar on a terminal and plain lines elsewhere; quiet shows
// nothing.
func newProgress(w io.Writer, pictures int, quiet bool) progress {
	pictures = max(pictures, 1)
	switch {
	case quiet:
		return silent{}
	case isTerminal(w):
		return &bar{w: w, pictures: pictures}
	}
	return &lines{w: w, pictures: pictures}
}

type silent struct{}

func (silent) Tell(*gatewayv1.Progress) {}
func (silent) End()                     {}

// bar is a progress bar over the steps of all pictures.
type bar struct {
	w        io.Writer
	pictures int
	bar      *progressbar.ProgressBar
}

func (b *bar) Tell(p *gatewayv1.Progress) {
	doing := fmt.Sprintf("%-22s", stageName(p.GetStage()))
	if b.bar == nil {
		b.bar = progressbar.NewOptions(100,
			progressbar.OptionSetWriter(b.w),
			progressbar.OptionSetWidth(30),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(50*time.Millisecond),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionSetDescription(doing),
			progressbar.OptionSetRenderBlankState(true),
		)
	}
	b.bar.Describe(doing)
	if steps := p.GetSteps(); steps > 0 {
		b.bar.ChangeMax(b.pictures * int(steps))
		_ = b.bar.Set(int(p.GetPicture()*steps + p.GetStep()))
	}
}

func (b *bar) End() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}

// lines prints each new stage, and every fifth of the steps.
type lines struct {
	w        io.Writer
	pictures int
	stage    string
	picture  int32
	fifth    int32
}

func (l *lines) Tell(p *gatewayv1.Progress) {
	var fifth int32
	painting := slices.Contains([]string{"denoise", "refine", "correct"}, p.GetStage())
	if painting && p.GetSteps() > 0 {
		fifth = 5 * p.GetStep() / p.GetSteps()
	}
	if p.GetStage() == l.stage && p.GetPicture() == l.picture && fifth <= l.fifth {
		return
	}
	l.stage, l.picture, l.fifth = p.GetStage(), p.GetPicture(), fifth
	text := stageName(p.GetStage())
	if painting && p.GetStep() > 0 {
		text += fmt.Sprintf(", step %d of %d", p.GetStep(), p.GetSteps())
	}
	if painting && l.pictures > 1 {
		text += fmt.Sprintf(", picture %d of %d", p.GetPicture()+1, l.pictures)
	}
	fmt.Fprintln(l.w, text)
}

func (l *lines) End() {}
