// Package conductor takes generations whose turn has come, runs the flow for
// each, and records how it ended, exactly once: the record's lease decides who
// may write.
package conductor

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	"github.com/facestudio/facestudio/gateway/internal/record"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// writeTime bounds the writes that record how a turn ended.
const writeTime = 5 * time.Second

// Runner makes the pictures of one generation; *flow.Flow is one.
type Runner interface {
	Run(ctx context.Context, job flow.Job, report flow.Report) (flow.Result, error)
}

// Claim is a generation whose turn it is; *jobqueue.Claim is one.
type Claim interface {
	Key() jobqueue.RecordKey
	Value() []byte
	Attempt() uint64
	Losses() uint64
	Update(ctx context.Context, value []byte) error
	Finish(ctx context.Context, value []byte) error
}

// News is where progress is told; *record.Store is one.
type News interface {
	Tell(key jobqueue.RecordKey, event *gatewayv1.ProgressEvent) error
}

// Settings says who conducts.
type Settings struct {
	// Bundle is the digest of the bundle that this gateway serves.
	Bundle string
	// Now is the clock.
	Now func() time.Time
	// Unserved, if not nil, tells why a generation of the bundle did not end in time,
	// if nobody was there to work on it; else it returns nil.
	Unserved func(ctx context.Context) error
	// Ended, if not nil, is told of every generation whose end was recorded.
	Ended func(tenant string, g *gatewayv1.Generation)
	// Log gets how generations end.
	Log *slog.Logger
}

// Conductor gives generations their turn. It may be used by many goroutines.
type Conductor struct {
	runner Runner
	news   News
	set    Settings
}

// New returns a conductor.
func New(runner Runner, news News, s Settings) *Conductor {
	return &Conductor{runner: runner, news: news, set: s}
}

// Conduct gives a generation its turn. The context carries whose it is and its
// class as a jobqueue.Call. It returns nil once the end is recorded
// and an error when the generation is to be taken up again.
func (c *Conductor) Conduct(ctx context.Context, claim Claim) error {
	g, err := record.Decode(claim.Value())
	if err != nil {
		return err
	}
	t := &turn{Conductor: c, claim: claim, generation: g}
	result, runErr := t.run(ctx)
	if result.Verdicts != nil {
		g.PhotoVerdicts = result.Verdicts
	}
	g.Placements = result.Placements
	decision := Decide(context.Cause(ctx), runErr, claim.Attempt())
	now := c.set.Now()
	switch decision.Verdict {
	case Release:
		return fmt.Errorf("generation is handed back: %w", runErr)
	case Succeed:
		record.Succeeded(g, result.Pictures, now)
	case Fail:
		decision.Fault = c.explained(ctx, g, decision.Fault)
		record.Failed(g, decision.Fault, now)
	case Cancel:
		record.Cancelled(g, now)
	}
	if err := t.finish(ctx); err != nil {
		return err
	}
	if c.set.Ended != nil {
		c.set.Ended(claim.Key().Tenant, g)
	}
	c.logEnd(ctx, g, decision.Fault)
	return nil
}

// explained is the fault that a generation ends with: more time is no help where
// nobody serves its bundle.
func (c *Conductor) explained(ctx context.Context, g *gatewayv1.Generation, f error) error {
	if c.set.Unserved == nil || g.GetBundle() != c.set.Bundle || !fault.Is(f, faultv1.Reason_REASON_DEADLINE_PASSED) {
		return f
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	return cmp.Or(c.set.Unserved(ctx), f)
}

// logEnd logs what the stored fault keeps from the caller.
func (c *Conductor) logEnd(ctx context.Context, g *gatewayv1.Generation, end error) {
	attrs := []slog.Attr{
		slog.String("generation", g.GetName()),
		slog.String("state", g.GetState().String()),
		slog.Duration("took", g.GetEndTime().AsTime().Sub(g.GetCreateTime().AsTime())),
	}
	level := slog.LevelInfo
	if end != nil {
		attrs = append(attrs, slog.Any("error", end))
		if g.GetFault().GetReason() == 0 {
			level = slog.LevelError
		}
	}
	c.set.Log.LogAttrs(ctx, level, "generation ended", attrs...)
}
