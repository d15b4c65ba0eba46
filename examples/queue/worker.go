package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	wordsv1 "github.com/facestudio/facestudio/proto/gen/facestudio/words/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// settings are the same in all processes of a mesh.
var settings = jobqueue.Settings{AckWait: time.Second}

// kind is the kind of workers that calls are for: with models the bundle that they
// serve, here nothing but a name.
const kind = "example"

// slow is how long counting takes.
const slow = 2 * time.Second

// counter is an ordinary implementation of an ordinary gRPC service.
type counter struct {
	wordsv1.UnimplementedWordServiceServer
}

func (counter) CountWords(ctx context.Context, r *wordsv1.CountWordsRequest) (*wordsv1.CountWordsResponse, error) {
	fmt.Println("counting")
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		// Somebody cancelled, the deadline passed, or the worker stops.
		return nil, context.Cause(ctx)
	}
	return &wordsv1.CountWordsResponse{Words: int32(len(strings.Fields(r.GetText()))), Process: int32(os.Getpid())}, nil
}

// work takes calls from the queue until ctx ends.
func work(ctx context.Context, url string) error {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("connect to %s: %w", url, err)
	}
	defer nc.Close()
	queue, err := jobqueue.Open(ctx, nc, settings)
	if err != nil {
		return err
	}
	defer queue.Close()
	server := jobqueue.NewServer(queue, jobqueue.ServerSettings{Stage: "words", Bundle: kind})
	wordsv1.RegisterWordServiceServer(server, counter{})
	return server.Run(ctx)
}
