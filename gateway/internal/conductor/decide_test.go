package conductor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/conductor"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func TestDecide(t *testing.T) {
	noFace := fault.New(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND, "style", "no face; send another")
	away := fault.New(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "a stage is away; retry")
	ended := errors.New("the flow ended early")
	tests := map[string]struct {
		cause, err error
		attempt    uint64
		want       conductor.Verdict
		reason     faultv1.Reason
	}{
		"pictures":                          {want: conductor.Succeed},
		"pictures just before the deadline": {cause: context.DeadlineExceeded, want: conductor.Succeed},
		"cancelled":                         {cause: jobqueue.ErrCancelRequested, err: ended, want: conductor.Cancel},
		"cancelled, cause in a chain":       {cause: fmt.Errorf("turn: %w", jobqueue.ErrCancelRequested), err: ended, want: conductor.Cancel},
		"deadline passed":                   {cause: context.DeadlineExceeded, err: ended, want: conductor.Fail, reason: faultv1.Reason_REASON_DEADLINE_PASSED},
		"a stage saw the deadline first":    {err: context.DeadlineExceeded, want: conductor.Fail, reason: faultv1.Reason_REASON_DEADLINE_PASSED},
		"lease lost":                        {cause: jobqueue.ErrLeaseLost, err: ended, want: conductor.Release},
		"process stops":                     {cause: jobqueue.ErrShutdown, err: ended, want: conductor.Release},
		"a stage stopped":                   {err: fault.From(context.Canceled), want: conductor.Release},
		"bad input":                         {err: noFace, want: conductor.Fail, reason: faultv1.Reason_REASON_NO_FACE_FOUND},
		"bad input in a chain":              {err: fmt.Errorf("flow: %w", noFace), want: conductor.Fail, reason: faultv1.Reason_REASON_NO_FACE_FOUND},
		"a stage is away":                   {err: away, attempt: 1, want: conductor.Release},
		"a stage stays away":                {err: away, attempt: 5, want: conductor.Fail, reason: faultv1.Reason_REASON_UNAVAILABLE},
		"a bug":                             {err: ended, want: conductor.Fail, reason: faultv1.Reason_REASON_UNSPECIFIED},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := conductor.Decide(test.cause, test.err, test.attempt)
			if got.Verdict != test.want {
				t.Errorf("verdict is %d, want %d", got.Verdict, test.want)
			}
			if (got.Fault != nil) != (test.want == conductor.Fail) {
				t.Errorf("fault is %v", got.Fault)
			}
			if got.Fault != nil && fault.From(got.Fault).Reason != test.reason {
				t.Errorf("reason is %v, want %v", fault.From(got.Fault).Reason, test.reason)
			}
		})
	}
}
