package jobqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// MaxPause is the longest pause.
const MaxPause = 30 * 24 * time.Hour

// StageStatus is what the workers of a stage, bundle and class have to do.
type StageStatus struct {
	// Stage, Bundle and Class name the workers.
	Stage, Bundle, Class string
	// Waiting counts work that waits for a worker.
	Waiting uint64
	// InHand counts work that workers have, or that waits for its next attempt.
	InHand uint64
	// IdleSlots counts the requests for work of the moment.
	IdleSlots uint64
	// PausedUntil is when the pause ends; zero when it is not paused.
	PausedUntil time.Time
}

// Stages returns the stages that have workers, or had within Settings.MaxAge, by
// name, bundle and class.
func (q *Queue) Stages(ctx context.Context) ([]StageStatus, error) {
	return q.stages(ctx, func(string) bool { return true })
}

func (q *Queue) stages(ctx context.Context, wanted func(stage string) bool) ([]StageStatus, error) {
	ctx, release := bounded(ctx)
	defer release()
	var list []StageStatus
	consumers := q.work.ListConsumers(ctx)
	for info := range consumers.Info() {
		if s, ok := statusOfStage(info); ok && wanted(s.Stage) {
			list = append(list, s)
		}
	}
	if err := consumers.Err(); err != nil {
		return nil, storeError(ctx, fmt.Errorf("list the consumers: %w", err))
	}
	slices.SortFunc(list, func(a, b StageStatus) int {
		return cmp.Or(strings.Compare(a.Stage, b.Stage), strings.Compare(a.Bundle, b.Bundle), strings.Compare(a.Class, b.Class))
	})
	return list, nil
}

// statusOfStage reads a consumer; false when it is none of ours.
func statusOfStage(info *jetstream.ConsumerInfo) (StageStatus, bool) {
	// Stages and bundles may have underscores; the filter is unambiguous.
	parts := strings.Split(info.Config.FilterSubject, ".")
	if len(parts) != 5 || info.Name != consumerName(parts[1], parts[2], parts[3]) {
		return StageStatus{}, false
	}
	s := StageStatus{
		Stage: parts[1], Bundle: parts[2], Class: parts[3],
		Waiting: info.NumPending, InHand: uint64(max(info.NumAckPending, 0)), IdleSlots: uint64(max(info.NumWaiting, 0)),
	}
	if info.Paused {
		s.PausedUntil = time.Now().Add(info.PauseRemaining).Round(time.Second)
	}
	return s, true
}

// Pause stops giving the work of a stage to its workers until a time, at most
// MaxPause ahead, in all its bundles and classes. What they have in hand goes on,
// new work waits, and a pause survives a restart of the workers. It fails with
// UNKNOWN_STAGE and INVALID_FIELD.
func (q *Queue) Pause(ctx context.Context, stage string, until time.Time) ([]StageStatus, error) {
	if left := time.Until(until); left <= 0 || left > MaxPause {
		return nil, fault.InvalidField("until", "a pause ends within %v from now", MaxPause)
	}
	return q.setPause(ctx, stage, func(ctx context.Context, consumer string) error {
		_, err := q.work.PauseConsumer(ctx, consumer, until)
		return err
	})
}

// Resume ends the pause of a stage. It fails with UNKNOWN_STAGE.
func (q *Queue) Resume(ctx context.Context, stage string) ([]StageStatus, error) {
	return q.setPause(ctx, stage, func(ctx context.Context, consumer string) error {
		_, err := q.work.ResumeConsumer(ctx, consumer)
		return err
	})
}

func (q *Queue) setPause(ctx context.Context, stage string, set func(ctx context.Context, consumer string) error) ([]StageStatus, error) {
	mine := func(s string) bool { return s == stage }
	list, err := q.stages(ctx, mine)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.New(fault.NotFound, faultv1.Reason_REASON_UNKNOWN_STAGE, "name",
			"no stage %q has, or lately had, workers; list the stages", stage)
	}
	for _, s := range list {
		err := func() error {
			ctx, release := bounded(ctx)
			defer release()
			return storeError(ctx, set(ctx, consumerName(s.Stage, s.Bundle, s.Class)))
		}()
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil, err
		}
	}
	return q.stages(ctx, mine)
}
