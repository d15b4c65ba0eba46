package e2e_test

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

const anyBundle = "b0b0b0b0b0b0"

// echo answers with the number that its picture names, and counts.
type echo struct {
	priorv1.UnimplementedPriorServiceServer
	runs *atomic.Int64
}

func (e echo) EmbedImage(_ context.Context, r *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	e.runs.Add(1)
	return &priorv1.EmbedImageResponse{Embedding: &mediav1.Tensor{Shape: r.GetTextEmbedding().GetShape()}}, nil
}

// The leader of the work is killed while calls are on their way, then its
// successor when it is back: every call gets its own answer.
func TestAClusterThatLosesItsLeaderLosesNothing(t *testing.T) {
	c := newCluster(t)
	nc := c.connect()
	q, err := c.mesh(c.urls()).OpenQueue(t.Context(), nc, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int64
	server := jobqueue.NewServer(q, jobqueue.ServerSettings{Stage: "prior", Bundle: anyBundle, Slots: 4, BatchPoll: 50 * time.Millisecond})
	server.RegisterService(&priorv1.PriorService_ServiceDesc, echo{runs: &runs})
	working, stop := context.WithCancel(t.Context())
	var worker sync.WaitGroup
	worker.Go(func() {
		if err := server.Run(working); err != nil {
			t.Errorf("the worker ended with %v", err)
		}
	})
	defer worker.Wait()
	defer stop()

	const calls, callers = 300, 8
	client := priorv1.NewPriorServiceClient(jobqueue.NewConn(q, jobqueue.ConnSettings{Bundle: anyBundle}))
	var next, answered atomic.Int64
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() {
			for n := next.Add(1); n <= calls; n = next.Add(1) {
				ctx, done := context.WithTimeout(t.Context(), 2*patience)
				ctx = jobqueue.WithCall(ctx, jobqueue.Call{Tenant: "ada", Owner: strconv.FormatInt(n, 10)})
				r, err := client.EmbedImage(ctx, &priorv1.EmbedImageRequest{TextEmbedding: &mediav1.Tensor{Shape: []int64{n}}}, grpc.WaitForReady(true))
				done()
				if err != nil {
					t.Errorf("call %d: %v", n, err)
				} else if shape := r.GetEmbedding().GetShape(); len(shape) != 1 || shape[0] != n {
					t.Errorf("call %d got the answer %v", n, shape)
				}
				answered.Add(1)
			}
		})
	}
	for _, after := range []int64{calls / 4, calls / 2} {
		for answered.Load() < after {
			<-time.After(10 * time.Millisecond)
		}
		leader := c.leader(t.Context(), js, "WORK")
		c.servers[leader].kill()
		if next := c.leader(t.Context(), js, "WORK"); next == leader {
			t.Fatal("the dead leads")
		}
		c.start(leader)
	}
	calling.Wait()
	stop()
	worker.Wait()
	t.Logf("%d calls ran %d times", calls, runs.Load())
	if runs.Load() < calls {
		t.Errorf("%d runs of %d calls", runs.Load(), calls)
	}
	for _, subject := range left(t, js) {
		t.Errorf("%s is left", subject)
	}
}

// left waits until the work is done and returns what is left of it.
func left(t *testing.T, js jetstream.JetStream) []string {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), patience)
	defer done()
	for {
		asking, enough := context.WithTimeout(ctx, 2*time.Second)
		work, err := js.Stream(asking, "WORK")
		var info *jetstream.StreamInfo
		if err == nil {
			info, err = work.Info(asking, jetstream.WithSubjectFilter("work.>"))
		}
		enough()
		if err == nil && info.State.Msgs == 0 {
			return nil
		}
		if ctx.Err() != nil {
			if err != nil {
				return []string{err.Error()}
			}
			return slices.Sorted(maps.Keys(info.State.Subjects))
		}
		<-time.After(50 * time.Millisecond)
	}
}
