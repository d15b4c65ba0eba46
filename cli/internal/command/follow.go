package command

import (
	"context"
	"errors"
	"io"
	"time"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func ended(g *gatewayv1.Generation) bool {
	switch g.GetState() {
	case gatewayv1.State_STATE_SUCCEEDED, gatewayv1.State_STATE_FAILED, gatewayv1.State_STATE_CANCELLED:
		return true
	}
	return false
}

// outcome is nil for a generation that succeeded, else its fault.
func outcome(g *gatewayv1.Generation) error {
	switch g.GetState() {
	case gatewayv1.State_STATE_SUCCEEDED:
		return nil
	case gatewayv1.State_STATE_CANCELLED:
		return fault.New(fault.Cancelled, faultv1.Reason_REASON_CANCELLED, "", "%s was cancelled", g.GetName())
	}
	if g.GetFault() == nil {
		return fault.New(fault.Internal, faultv1.Reason_REASON_UNSPECIFIED, "", "%s failed", g.GetName())
	}
	return fault.FromProto(g.GetFault())
}

const (
	// patience is how long follow tries to reach a server that went away.
	patience = 2 * time.Minute
	minWait  = 200 * time.Millisecond
	maxWait  = 3 * time.Second
)

// errHungUp is a watch that ended before its generation did.
var errHungUp = fault.New(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "", "the server hung up: watch again")

// follow watches a generation until it has ended. A server that goes away is
// asked again: the generation lives on in the mesh.
func follow(ctx context.Context, client gatewayv1.GenerationServiceClient, name string, show progress) (*gatewayv1.Generation, error) {
	lost, wait := time.Now(), minWait
	for {
		g, events, err := watch(ctx, client, name, show)
		if g != nil {
			return g, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if events > 0 {
			lost, wait = time.Now(), minWait
		}
		if fault.From(err).Kind != fault.Unavailable || time.Since(lost) > patience {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
		wait = min(2*wait, maxWait)
	}
}

// watch is one Watch call. It returns the generation only when it has ended,
// and how many events came.
func watch(ctx context.Context, client gatewayv1.GenerationServiceClient, name string, show progress) (*gatewayv1.Generation, int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{Name: name})
	if err != nil {
		return nil, 0, err
	}
	for events := 0; ; events++ {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil, events, errHungUp
		}
		if err != nil {
			return nil, events, err
		}
		if p := event.GetProgress().GetProgress(); p != nil {
			show.Tell(p)
		}
		g := event.GetGeneration()
		if g.GetProgress() != nil {
			show.Tell(g.GetProgress())
		}
		if ended(g) {
			return g, events, nil
		}
	}
}
