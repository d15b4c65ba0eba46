package command

import (
	"context"

	"github.com/facestudio/facestudio/proto/client"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
)

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

// follow watches a generation until it has ended. A server that goes away is
// asked again: the generation lives on in the mesh.
func follow(ctx context.Context, generations gatewayv1.GenerationServiceClient, name string, show progress) (*gatewayv1.Generation, error) {
	c := client.Client{Generations: generations}
	return c.Follow(ctx, name, func(event *gatewayv1.ProgressEvent) {
		if p := event.GetProgress(); p != nil {
			show.Tell(p)
		}
	})
}

// fetch writes the pictures of a generation to files.
func fetch(ctx context.Context, generations gatewayv1.GenerationServiceClient, g *gatewayv1.Generation, output string) ([]string, error) {
	c := client.Client{Generations: generations}
	pictures, err := c.Pictures(ctx, g)
	if err != nil {
		return nil, err
	}
	files := outputs(output, len(pictures))
	for i, picture := range pictures {
		if err := writeFile(files[i], picture.Data); err != nil {
			return nil, err
		}
	}
	return files, nil
}
