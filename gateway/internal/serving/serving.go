// Package serving tells whether workers serve the bundle that a gateway makes
// generations for. Work waits for workers that come and go, so their absence alone
// refuses nothing; only where others serve another bundle, and nobody has served this
// one lately, is it clear that what is asked for would wait in vain.
package serving

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const (
	// settling is how long after its start a gateway refuses nothing: workers of a
	// bundle that is rolled out may come after it.
	settling = 15 * time.Second
	// fresh is how long what was seen counts.
	fresh = 2 * time.Second
	// retry is when a refused call may be made again.
	retry = 10 * time.Second
)

// Settings says whose workers are looked for.
type Settings struct {
	// List returns the stages that have workers, or lately had; *jobqueue.Queue has it.
	List func(ctx context.Context) ([]jobqueue.StageStatus, error)
	// Bundle is the bundle's id, as workers ask for its work.
	Bundle string
	// Stages are those that every generation needs and that are called over the
	// queue.
	Stages []string
	// Now is the clock.
	Now func() time.Time
}

// Workers are the workers of the mesh as they were seen lately. It may be used by
// many goroutines.
type Workers struct {
	set   Settings
	begun time.Time

	mu   sync.Mutex
	seen time.Time
	list []jobqueue.StageStatus
}

// New returns the workers of a gateway that starts now.
func New(s Settings) *Workers { return &Workers{set: s, begun: s.Now()} }

// Check refuses, with BUNDLE_NOT_SERVED and the delay to retry after, when workers of
// other bundles are there for one of the stages, and there were none of this one within
// the time that work may wait. Workers that are being restarted, or are yet to come where
// nobody else is, refuse nothing, nor does a look that fails, nor a stage that is not one
// of Settings.Stages.
func (w *Workers) Check(ctx context.Context, stages ...string) error {
	if w.set.Now().Sub(w.begun) < settling {
		return nil
	}
	for _, stage := range stages {
		if !slices.Contains(w.set.Stages, stage) {
			continue
		}
		known, served := false, []string(nil)
		for _, s := range w.look(ctx) {
			known = known || s.Stage == stage && s.Bundle == w.set.Bundle
			served = w.add(served, s, stage)
		}
		if !known && len(served) > 0 {
			return w.fault(stage, served)
		}
	}
	return nil
}

// Explain returns BUNDLE_NOT_SERVED when a generation that did not end in time had no
// worker of its bundle for a stage, as far as that is to be seen now; else nil.
func (w *Workers) Explain(ctx context.Context) error {
	for _, stage := range w.set.Stages {
		list, ours, served := w.look(ctx), false, []string(nil)
		for _, s := range list {
			ours = ours || s.Stage == stage && s.Bundle == w.set.Bundle && works(s)
			served = w.add(served, s, stage)
		}
		if list != nil && !ours {
			return w.fault(stage, served)
		}
	}
	return nil
}

// works tells whether a worker is there: it waits for work, or has some, or is paused.
func works(s jobqueue.StageStatus) bool {
	return s.IdleSlots+s.InHand > 0 || !s.PausedUntil.IsZero()
}

// add adds another bundle that workers serve at a stage.
func (w *Workers) add(served []string, s jobqueue.StageStatus, stage string) []string {
	if s.Stage != stage || s.Bundle == w.set.Bundle || !works(s) || slices.Contains(served, s.Bundle) {
		return served
	}
	return append(served, s.Bundle)
}

func (w *Workers) fault(stage string, served []string) error {
	others := "no bundle is"
	if len(served) > 0 {
		others = "served are " + strings.Join(served, ", ")
	}
	f := fault.New(fault.Unavailable, faultv1.Reason_REASON_BUNDLE_NOT_SERVED, "bundle",
		"no worker of the %s serves bundle %s, which this gateway makes pictures with; %s: start workers with that bundle, or ask a gateway of another one, and retry", stage, w.set.Bundle, others)
	f.RetryAfter = retry
	return f
}

// look returns what was seen at most a moment ago; nil when nothing is known.
func (w *Workers) look(ctx context.Context) []jobqueue.StageStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.set.Now()
	if w.seen.IsZero() || now.Sub(w.seen) >= fresh {
		list, err := w.set.List(ctx)
		if err != nil {
			return nil
		}
		// Known to be empty is not unknown.
		w.seen, w.list = now, append([]jobqueue.StageStatus{}, list...)
	}
	return w.list
}
