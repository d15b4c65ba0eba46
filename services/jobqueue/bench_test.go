package jobqueue_test

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func noop(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	return &priorv1.EmbedImageResponse{}, nil
}

// BenchmarkIdleCall is what the queue adds to one call when nothing else is
// going on.
func BenchmarkIdleCall(b *testing.B) {
	h := newHouse(b, jobqueue.Settings{})
	serve(b, h.q, jobqueue.ServerSettings{Stage: "prior", BatchPoll: time.Second}, prior{embed: noop}.register)
	client := priorv1.NewPriorServiceClient(h.conn())
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		begun := time.Now()
		if _, err := client.EmbedImage(as(b.Context(), "ada", strconv.Itoa(i)), &priorv1.EmbedImageRequest{}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkMemoisedCall is a call whose result is recorded.
func BenchmarkMemoisedCall(b *testing.B) {
	h := newHouse(b, jobqueue.Settings{})
	serve(b, h.q, jobqueue.ServerSettings{Stage: "prior"}, prior{embed: noop}.register)
	client := priorv1.NewPriorServiceClient(h.conn())
	for b.Loop() {
		if _, err := client.EmbedImage(as(b.Context(), "ada", "one"), &priorv1.EmbedImageRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkThroughput is many calls at once.
func BenchmarkThroughput(b *testing.B) {
	h := newHouse(b, jobqueue.Settings{})
	serve(b, h.q, jobqueue.ServerSettings{Stage: "prior", Slots: 16}, prior{embed: noop}.register)
	client := priorv1.NewPriorServiceClient(h.conn())
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.EmbedImage(as(b.Context(), "ada", strconv.FormatInt(n.Add(1), 10)), &priorv1.EmbedImageRequest{}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
