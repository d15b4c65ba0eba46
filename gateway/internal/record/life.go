package record

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Encode returns the stored form of a generation.
func Encode(g *gatewayv1.Generation) ([]byte, error) {
	value, err := proto.Marshal(g)
	if err != nil {
		return nil, fmt.Errorf("encode generation: %w", err)
	}
	return value, nil
}

// Decode reads the stored form.
func Decode(value []byte) (*gatewayv1.Generation, error) {
	g := new(gatewayv1.Generation)
	if err := proto.Unmarshal(value, g); err != nil {
		return nil, fmt.Errorf("decode generation: %w", err)
	}
	return g, nil
}

// Ended tells whether a state is terminal.
func Ended(s gatewayv1.State) bool {
	return s == gatewayv1.State_STATE_SUCCEEDED || s == gatewayv1.State_STATE_FAILED || s == gatewayv1.State_STATE_CANCELLED
}

// The numbers of the changes of state, in the order in which they happen. A
// generation that ends before its turn has no second.
const (
	queuedNumber = iota + 1
	runningNumber
	endedNumber
)

// Number is the number of the change that led to a state.
func Number(s gatewayv1.State) uint64 {
	switch {
	case Ended(s):
		return endedNumber
	case s == gatewayv1.State_STATE_RUNNING:
		return runningNumber
	default:
		return queuedNumber
	}
}

// At returns a generation as it was after an earlier change of state, as far as
// that is still known: without progress and results. It is nil when there was no
// such change.
func At(g *gatewayv1.Generation, number uint64) *gatewayv1.Generation {
	past := proto.CloneOf(g)
	past.Progress, past.Pictures, past.Fault, past.EndTime = nil, nil, nil, nil
	switch number {
	case queuedNumber:
		past.State, past.StartTime, past.PhotoVerdicts = gatewayv1.State_STATE_QUEUED, nil, nil
	case runningNumber:
		if g.GetStartTime() == nil {
			return nil
		}
		past.State = gatewayv1.State_STATE_RUNNING
	default:
		return nil
	}
	return past
}

// Started marks a generation as worked on. The start time stays that of the
// first gateway when another takes over.
func Started(g *gatewayv1.Generation, now time.Time) {
	g.State = gatewayv1.State_STATE_RUNNING
	if g.GetStartTime() == nil {
		g.StartTime = timestamppb.New(now)
	}
}

// Succeeded ends a generation with its pictures.
func Succeeded(g *gatewayv1.Generation, pictures []*gatewayv1.ResultPicture, now time.Time) {
	g.State, g.Pictures, g.Fault = gatewayv1.State_STATE_SUCCEEDED, pictures, nil
	end(g, now)
}

// Failed ends a generation with what went wrong.
func Failed(g *gatewayv1.Generation, err error, now time.Time) {
	g.State, g.Fault = gatewayv1.State_STATE_FAILED, fault.ToProto(err)
	end(g, now)
}

// Cancelled ends a generation that its caller no longer wants.
func Cancelled(g *gatewayv1.Generation, now time.Time) {
	g.State = gatewayv1.State_STATE_CANCELLED
	g.Fault = fault.ToProto(fault.New(fault.Cancelled, faultv1.Reason_REASON_CANCELLED, "", "the generation was cancelled"))
	end(g, now)
}

func end(g *gatewayv1.Generation, now time.Time) {
	g.EndTime = timestamppb.New(now)
	g.Progress = nil
}
