package serving_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/serving"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// at is a stage of a bundle with so many free slots, and calls in workers' hands.
func at(stage, bundle string, idle, inHand uint64) jobqueue.StageStatus {
	return jobqueue.StageStatus{Stage: stage, Bundle: bundle, IdleSlots: idle, InHand: inHand}
}

func TestWhoServesABundle(t *testing.T) {
	tests := []struct {
		name string
		list []jobqueue.StageStatus
		// refused and explained are the stages that are told, or empty.
		refused, explained string
		served             string
	}{
		{"nobody yet", nil, "", "encoder", "no bundle"},
		{"ours", []jobqueue.StageStatus{at("encoder", "ours", 1, 0), at("denoiser", "ours", 0, 1)}, "", "", ""},
		{"ours, being restarted", []jobqueue.StageStatus{
			at("encoder", "ours", 0, 0), at("denoiser", "ours", 1, 0), at("encoder", "old", 1, 0), at("denoiser", "old", 1, 0),
		}, "", "encoder", "old"},
		{"others", []jobqueue.StageStatus{at("encoder", "old", 1, 0), at("encoder", "older", 0, 2), at("denoiser", "old", 1, 0)}, "encoder", "encoder", "old, older"},
		{"others at one stage", []jobqueue.StageStatus{at("encoder", "ours", 1, 0), at("denoiser", "old", 1, 0)}, "denoiser", "denoiser", "old"},
		{"what others left behind", []jobqueue.StageStatus{at("encoder", "old", 0, 0), at("denoiser", "old", 0, 0)}, "", "encoder", "no bundle"},
		{"a stage that not all need", []jobqueue.StageStatus{at("encoder", "ours", 1, 0), at("denoiser", "ours", 1, 0), at("prior", "old", 1, 0)}, "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := time.Unix(1_000_000, 0)
			w := serving.New(serving.Settings{
				List:   func(context.Context) ([]jobqueue.StageStatus, error) { return test.list, nil },
				Bundle: "ours", Stages: []string{"encoder", "denoiser"}, Now: func() time.Time { return now },
			})
			if err := w.Check(t.Context(), "encoder", "denoiser"); err != nil {
				t.Errorf("just started, it refuses: %v", err)
			}
			now = now.Add(time.Minute)
			for what, got := range map[string]struct {
				err   error
				stage string
			}{"refused": {w.Check(t.Context(), "encoder", "denoiser"), test.refused}, "explained": {w.Explain(t.Context()), test.explained}} {
				if got.stage == "" {
					if got.err != nil {
						t.Errorf("%s: %v", what, got.err)
					}
					continue
				}
				f := fault.From(got.err)
				if f == nil || f.Kind != fault.Unavailable || f.Reason != faultv1.Reason_REASON_BUNDLE_NOT_SERVED || !f.Retryable || f.RetryAfter == 0 ||
					f.Field != "bundle" || !strings.Contains(f.Message, got.stage) || !strings.Contains(f.Message, test.served) {
					t.Errorf("%s: %v", what, got.err)
				}
			}
		})
	}
}

func TestALookIsSharedAndItsFailureRefusesNobody(t *testing.T) {
	now, looks := time.Unix(1_000_000, 0), 0
	var away error
	w := serving.New(serving.Settings{
		List: func(context.Context) ([]jobqueue.StageStatus, error) {
			looks++
			return []jobqueue.StageStatus{at("encoder", "old", 1, 0)}, away
		},
		Bundle: "ours", Stages: []string{"encoder"}, Now: func() time.Time { return now },
	})
	now = now.Add(time.Minute)
	for range 10 {
		if err := w.Check(t.Context(), "encoder"); !fault.Is(err, faultv1.Reason_REASON_BUNDLE_NOT_SERVED) {
			t.Errorf("got %v", err)
		}
	}
	if looks != 1 {
		t.Errorf("%d looks", looks)
	}
	now, away = now.Add(time.Minute), errors.New("away")
	if err := errors.Join(w.Check(t.Context(), "encoder"), w.Explain(t.Context())); err != nil {
		t.Errorf("the queue is away: %v", err)
	}
}
