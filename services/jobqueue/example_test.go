package jobqueue_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"

	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
)

// exampleStage is any implementation of any generated service.
type exampleStage struct {
	priorv1.UnimplementedPriorServiceServer
}

func (exampleStage) EmbedImage(_ context.Context, r *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	fmt.Println("the worker runs seed", r.GetSeed())
	return answer(int(r.GetSeed())), nil
}

// A worker and a caller, which need not live at the same time: the call waits in
// the queue for a worker, and a repeated call is answered with what was recorded.
func Example() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	dir, err := os.MkdirTemp("", "queue-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	nats, err := embedded.Start(ctx, embedded.Settings{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer nats.Close()
	nc, err := nats.Connect()
	if err != nil {
		panic(err)
	}
	defer nc.Close()
	queue, err := jobqueue.Open(ctx, nc, jobqueue.Settings{})
	if err != nil {
		panic(err)
	}
	defer queue.Close()

	// The worker: a generated Register function takes the server as it takes gRPC's.
	server := jobqueue.NewServer(queue, jobqueue.ServerSettings{Stage: "prior", Bundle: "example", BatchPoll: 50 * time.Millisecond})
	priorv1.RegisterPriorServiceServer(server, exampleStage{})
	working, finish := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- server.Run(working) }()

	// The caller: a generated client takes the connection as it takes gRPC's.
	var conn grpc.ClientConnInterface = jobqueue.NewConn(queue, jobqueue.ConnSettings{Bundle: "example"})
	client := priorv1.NewPriorServiceClient(conn)
	call := jobqueue.WithCall(ctx, jobqueue.Call{Tenant: "ada", Owner: "orders/7"})
	for range 2 {
		response, err := client.EmbedImage(call, &priorv1.EmbedImageRequest{Seed: 7})
		fmt.Println("the caller got", response.GetEmbedding().GetShape(), err)
	}
	finish()
	fmt.Println("the worker ended with", <-done)
	// Output:
	// the worker runs seed 7
	// the caller got [7] <nil>
	// the caller got [7] <nil>
	// the worker ended with <nil>
}
