package jobqueue_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

func noop(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	return &priorv1.EmbedImageResponse{}, nil
}

// BenchmarkIdleCall is what the queue adds to one call when nothing else is
// going on, in the clear, sealed with a tenant's key, and sealed with a key that
// ten calls share, as many as a generation makes. The three take turns, so that
// what else the machine does burdens all of them alike.
func BenchmarkIdleCall(b *testing.B) {
	h := newHouse(b, jobqueue.Settings{})
	kinds := []string{"clear", "sealed", "keys"}
	took := make([][]time.Duration, len(kinds))
	clients := make([]priorv1.PriorServiceClient, len(kinds))
	for k := range kinds {
		q, _ := h.open(jobqueue.Settings{})
		if k == 0 {
			jobqueue.InTheClear(q)
		}
		server := jobqueue.ServerSettings{Stage: "prior", BatchPoll: time.Second}
		id := strings.Repeat(strconv.Itoa(k), 12)
		serveBundle(b, q, id, server, prior{embed: noop}.register)
		clients[k] = priorv1.NewPriorServiceClient(jobqueue.NewConn(q, jobqueue.ConnSettings{Bundle: id}))
	}
	request := &priorv1.EmbedImageRequest{TextEmbedding: &mediav1.Tensor{Data: make([]byte, 4<<10)}}
	for i := 0; b.Loop(); i++ {
		for n := range clients {
			k := (i + n) % len(clients)
			client := clients[k]
			call := jobqueue.Call{Tenant: "ada", Owner: strconv.Itoa(i)}
			if kinds[k] == "keys" {
				call.Record = strconv.Itoa(i / 10)
			}
			begun := time.Now()
			if _, err := client.EmbedImage(jobqueue.WithCall(b.Context(), call), request); err != nil {
				b.Fatal(err)
			}
			took[k] = append(took[k], time.Since(begun))
		}
	}
	for k, kind := range kinds {
		slices.Sort(took[k])
		b.ReportMetric(float64(took[k][len(took[k])/2].Microseconds()), kind+"-p50-µs")
		b.ReportMetric(float64(took[k][len(took[k])*99/100].Microseconds()), kind+"-p99-µs")
	}
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
