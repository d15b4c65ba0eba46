package jobqueue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bundle = "b0b0b0b0b0b0"

// house is a real nats-server with a queue.
type house struct {
	t      testing.TB
	server *embedded.Server
	nc     *nats.Conn
	q      *jobqueue.Queue
}

// quick are settings that let nothing wait long. On a busy machine a worker's sign
// of life may be late, so they leave it the time that it has by default.
func quick() jobqueue.Settings {
	return jobqueue.Settings{Recheck: 100 * time.Millisecond, MaxBytes: 64 << 20}
}

// brief are settings by which a worker that falls silent loses its work soon.
func brief() jobqueue.Settings {
	s := quick()
	s.AckWait = 1500 * time.Millisecond
	return s
}

func newHouse(tb testing.TB, s jobqueue.Settings) *house {
	tb.Helper()
	return newHouseIn(tb, scratch.Dir(tb), s)
}

func newHouseIn(tb testing.TB, dir string, s jobqueue.Settings) *house {
	tb.Helper()
	server, err := embedded.Start(tb.Context(), embedded.Settings{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Close)
	h := &house{t: tb, server: server}
	h.q, h.nc = h.open(s)
	return h
}

// open connects once more, as another process would.
func (h *house) open(s jobqueue.Settings, opts ...nats.Option) (*jobqueue.Queue, *nats.Conn) {
	h.t.Helper()
	nc, err := h.server.Connect(opts...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(nc.Close)
	q, err := jobqueue.Open(h.t.Context(), nc, s)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(q.Close)
	return q, nc
}

// serve runs a worker until the test ends or stop is called.
func serve(tb testing.TB, q *jobqueue.Queue, s jobqueue.ServerSettings, register func(grpc.ServiceRegistrar)) (stop func()) {
	tb.Helper()
	return serveBundle(tb, q, bundle, s, register)
}

func serveBundle(tb testing.TB, q *jobqueue.Queue, id string, s jobqueue.ServerSettings, register func(grpc.ServiceRegistrar)) (stop func()) {
	tb.Helper()
	s.Bundle = id
	if s.BatchPoll == 0 {
		s.BatchPoll = 50 * time.Millisecond
	}
	if s.Backoff == 0 {
		s.Backoff = time.Millisecond
	}
	server := jobqueue.NewServer(q, s)
	register(server)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("the worker ended with %v", err)
		}
	}
	tb.Cleanup(stop)
	return stop
}

func (h *house) conn() *jobqueue.Conn {
	return jobqueue.NewConn(h.q, jobqueue.ConnSettings{Bundle: bundle})
}

// as is a context of a tenant's call.
func as(ctx context.Context, tenant, owner string) context.Context {
	return jobqueue.WithCall(ctx, jobqueue.Call{Tenant: tenant, Owner: owner})
}

func within(tb testing.TB, d time.Duration) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), d)
	tb.Cleanup(cancel)
	return ctx
}

// The three kinds of methods, as structs of funcs.
type prior struct {
	priorv1.UnimplementedPriorServiceServer
	embed func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error)
}

func (p prior) EmbedImage(ctx context.Context, r *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	return p.embed(ctx, r)
}

func (p prior) register(r grpc.ServiceRegistrar) { priorv1.RegisterPriorServiceServer(r, p) }

type encoder struct {
	encoderv1.UnimplementedEncoderServiceServer
	texts func(context.Context, *encoderv1.EmbedTextsRequest) (*encoderv1.EmbedTextsResponse, error)
}

func (e encoder) EmbedTexts(ctx context.Context, r *encoderv1.EmbedTextsRequest) (*encoderv1.EmbedTextsResponse, error) {
	return e.texts(ctx, r)
}

func (e encoder) register(r grpc.ServiceRegistrar) { encoderv1.RegisterEncoderServiceServer(r, e) }

type denoiser struct {
	denoiserv1.UnimplementedDenoiserServiceServer
	denoise func(*denoiserv1.DenoiseRequest, grpc.ServerStreamingServer[denoiserv1.DenoiseResponse]) error
}

func (d denoiser) Denoise(r *denoiserv1.DenoiseRequest, s grpc.ServerStreamingServer[denoiserv1.DenoiseResponse]) error {
	return d.denoise(r, s)
}

func (d denoiser) register(r grpc.ServiceRegistrar) { denoiserv1.RegisterDenoiserServiceServer(r, d) }

// answer is a response that tells which number it has.
func answer(n int) *priorv1.EmbedImageResponse {
	return &priorv1.EmbedImageResponse{Embedding: &mediav1.Tensor{Shape: []int64{int64(n)}}}
}

func number(r *priorv1.EmbedImageResponse) int {
	if shape := r.GetEmbedding().GetShape(); len(shape) == 1 {
		return int(shape[0])
	}
	return -1
}

var errTimeout = errors.New("nothing happened")

// receive takes a value that has to come.
func receive[T any](tb testing.TB, from <-chan T) T {
	tb.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(time.Minute):
		tb.Fatal(errTimeout)
		panic("unreachable")
	}
}
