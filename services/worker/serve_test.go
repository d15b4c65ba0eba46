package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit/ports"
	"github.com/facestudio/facestudio/services/testkit/scratch"
	"github.com/facestudio/facestudio/services/worker"
)

// stage is a prior made of a function.
type stage struct {
	priorv1.UnimplementedPriorServiceServer
	embed  func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error)
	closed chan struct{}
}

func (s *stage) EmbedImage(ctx context.Context, req *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	return s.embed(ctx, req)
}

func (s *stage) Register(to grpc.ServiceRegistrar) { priorv1.RegisterPriorServiceServer(to, s) }

func (s *stage) Close() error {
	close(s.closed)
	return nil
}

func startNATS(t *testing.T) *embedded.Server {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: scratch.Dir(t), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

func health(t *testing.T, conn *grpc.ClientConn) healthv1.HealthCheckResponse_ServingStatus {
	t.Helper()
	ctx, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	stream, err := healthv1.NewHealthClient(conn).Watch(ctx, &healthv1.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	for {
		answer, err := stream.Recv()
		if err != nil {
			t.Fatalf("health: %v", err)
		}
		if answer.GetStatus() == healthv1.HealthCheckResponse_SERVING {
			return answer.GetStatus()
		}
	}
}

func TestAStageServesTheQueueAndPlainCallsAndFinishesItsWork(t *testing.T) {
	server := startNATS(t)
	address := ports.Address(t)
	c, err := configured(t, "--nats-url", server.URL(), "--listen", address, "--grace=20s")
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}, 1), make(chan struct{})
	s := &stage{closed: make(chan struct{})}
	s.embed = func(_ context.Context, req *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		if req.GetSeed() == 1 {
			entered <- struct{}{}
			<-release
		}
		return &priorv1.EmbedImageResponse{}, nil
	}
	bundle := make(chan string, 1)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- worker.Run(ctx, "prior-svc", c, func(_ context.Context, env worker.Env) (worker.Stage, error) {
			bundle <- env.Bundle.ID()
			return s, nil
		})
	}()
	conn, err := rpc.Dial(address, rpc.DialSettings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if got := health(t, conn); got != healthv1.HealthCheckResponse_SERVING {
		t.Fatalf("health is %v", got)
	}
	if _, err := priorv1.NewPriorServiceClient(conn).EmbedImage(t.Context(), &priorv1.EmbedImageRequest{}); err != nil {
		t.Errorf("plain call: %v", err)
	}

	nc, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	queue, err := c.Mesh.OpenQueue(t.Context(), nc, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(queue.Close)
	queued := priorv1.NewPriorServiceClient(jobqueue.NewConn(queue, jobqueue.ConnSettings{Bundle: <-bundle}))
	call := jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "ada", Owner: "generations/7"})
	answered := make(chan error, 1)
	go func() {
		_, err := queued.EmbedImage(call, &priorv1.EmbedImageRequest{Seed: 1})
		answered <- err
	}()
	<-entered
	stop()
	select {
	case err := <-done:
		t.Fatalf("it stopped with work in hand: %v", err)
	case <-s.closed:
		t.Fatal("the stage was closed with work in hand")
	default:
	}
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("queued call: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	<-s.closed
}

func TestAStageThatDoesNotBuildStopsTheProcess(t *testing.T) {
	server := startNATS(t)
	c, err := configured(t, "--nats-url", server.URL())
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the model does not run")
	err = worker.Run(t.Context(), "prior-svc", c, func(context.Context, worker.Env) (worker.Stage, error) { return nil, broken })
	if !errors.Is(err, broken) || worker.ExitCode(err) != worker.ExitFailed {
		t.Errorf("got %v", err)
	}
}

func TestConnectWaitsForNATSAndNoticesItsLoss(t *testing.T) {
	address := ports.Address(t)
	m := worker.Mesh{NATSURL: "nats://" + address, NATSWait: time.Minute}
	states := make(chan bool, 16)
	type connected struct {
		nc  *nats.Conn
		err error
	}
	got := make(chan connected, 1)
	go func() {
		nc, err := m.Connect(t.Context(), "test", slog.New(slog.DiscardHandler), func(up bool) { states <- up })
		got <- connected{nc, err}
	}()
	dir := scratch.Dir(t)
	server, err := embedded.Start(t.Context(), embedded.Settings{Dir: dir, Listen: address})
	if err != nil {
		t.Fatal(err)
	}
	c := <-got
	if c.err != nil {
		t.Fatal(c.err)
	}
	t.Cleanup(c.nc.Close)
	server.Close()
	if up := <-states; up {
		t.Error("the loss was not noticed")
	}
	if server, err = embedded.Start(t.Context(), embedded.Settings{Dir: dir, Listen: address}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	if up := <-states; !up {
		t.Error("the return was not noticed")
	}
}
