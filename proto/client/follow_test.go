package client_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/facestudio/facestudio/proto/client"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

func TestAWatchThatIsRefusedForNowIsAskedForAgain(t *testing.T) {
	refusal, err := status.New(codes.ResourceExhausted, "as many watches are open as may be").WithDetails(
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	watches := 0
	m := &mesh{
		create: func(context.Context, *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
			return state(gatewayv1.State_STATE_QUEUED).GetGeneration(), nil
		},
		watch: func(_ *gatewayv1.WatchGenerationRequest, to grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error {
			if watches++; watches == 1 {
				return refusal.Err()
			}
			return to.Send(state(gatewayv1.State_STATE_SUCCEEDED))
		},
	}
	if _, err := dial(t, m, client.Options{}).Generate(t.Context(), new(gatewayv1.CreateGenerationRequest), nil); err != nil || watches != 2 {
		t.Errorf("watched %d times, %v", watches, err)
	}
}
