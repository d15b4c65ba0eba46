package jobqueue_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
)

// outcome is what a call came to.
type outcome struct {
	n   int
	err error
}

// ask makes an owned call in the background.
func (h *house) ask(ctx context.Context) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		got, err := priorv1.NewPriorServiceClient(h.conn()).EmbedImage(ctx, &priorv1.EmbedImageRequest{})
		out <- outcome{number(got), err}
	}()
	return out
}

// pending is how many work messages there are.
func (h *house) pending() uint64 {
	h.t.Helper()
	return h.stream("WORK").CachedInfo().State.Msgs
}

// stream opens a stream as it is now.
func (h *house) stream(name string) jetstream.Stream {
	h.t.Helper()
	js, err := jetstream.New(h.nc)
	if err != nil {
		h.t.Fatal(err)
	}
	stream, err := js.Stream(h.t.Context(), name)
	if err != nil {
		h.t.Fatal(err)
	}
	return stream
}

// pauseFor yields between two looks at the server.
func pauseFor(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(time.Millisecond):
	case <-t.Context().Done():
		t.Fatal(errTimeout)
	}
}
