package gateway_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/provenance"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

var quiet = slog.New(slog.DiscardHandler)

// mesh is NATS, pictures and stages, and whatever gateways a test opens.
type mesh struct {
	t      testing.TB
	bundle *bundle.Bundle
	nats   *embedded.Server
	blobs  *blob.Store
	stages *stages
}

func newMesh(tb testing.TB) *mesh {
	tb.Helper()
	server, err := embedded.Start(tb.Context(), embedded.Settings{Dir: scratch.Dir(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Close)
	blobs, err := blob.Open(tb.Context(), "mem://", testkit.Ring(tb))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = blobs.Close() })
	return &mesh{t: tb, bundle: testkit.TinyBundle(tb), nats: server, blobs: blobs, stages: newStages(tb)}
}

// open connects to NATS as one process does.
func (m *mesh) open() (*jobqueue.Queue, *nats.Conn) {
	m.t.Helper()
	nc, err := m.nats.Connect()
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(nc.Close)
	// Leases and the silence of workers are left as they are: on a busy machine a
	// sign of life may be late.
	q, err := jobqueue.Open(m.t.Context(), nc, jobqueue.Settings{MaxBytes: 64 << 20, Recheck: 100 * time.Millisecond})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(q.Close)
	return q, nc
}

// run runs something until the test ends.
func (m *mesh) run(do func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := do(ctx); err != nil && ctx.Err() == nil {
			m.t.Error(err)
		}
	}()
	m.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// queued offers a stage over the queue.
func (m *mesh) queued(stage string) { m.queuedOf(stage, m.bundle.ID()) }

// queuedOf offers a stage of a bundle over the queue.
func (m *mesh) queuedOf(stage, bundle string) {
	q, _ := m.open()
	server := jobqueue.NewServer(q, jobqueue.ServerSettings{
		Stage: stage, Bundle: bundle, Slots: 4, Grace: time.Second, BatchPoll: 50 * time.Millisecond, Backoff: time.Millisecond,
	})
	m.stages.register(stage, server)
	m.run(server.Run)
}

// plain offers a stage over plain gRPC and returns how it is called.
func (m *mesh) plain(stage string) string {
	m.t.Helper()
	server, err := rpc.NewServer(m.t.Context(), rpc.Config{Listen: "127.0.0.1:0", MaxMessage: rpc.DefaultMaxMessage, Grace: time.Second}, quiet)
	if err != nil {
		m.t.Fatal(err)
	}
	m.stages.register(stage, server)
	m.run(server.Run)
	return "grpc://" + server.Addr()
}

// serve opens a gateway and returns a client of it. Who calls die ends its
// connection to NATS, as a kill would.
func (m *mesh) serve(c gateway.Config) (client gatewayv1.GenerationServiceClient, die func()) {
	m.t.Helper()
	conn, _, die := m.listen(c)
	return gatewayv1.NewGenerationServiceClient(conn), die
}

// listen opens a gateway and returns a connection to it, and its address.
func (m *mesh) listen(c gateway.Config) (conn *grpc.ClientConn, address string, die func()) {
	m.t.Helper()
	q, nc := m.open()
	c.Grace = 10 * time.Millisecond
	s, err := gateway.New(m.t.Context(), gateway.Env{Bundle: m.bundle, Queue: q, Blobs: m.blobs, Log: quiet}, c)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			m.t.Error(err)
		}
	})
	dead := false
	m.run(func(ctx context.Context) error {
		if err := s.Run(ctx); err != nil && !dead {
			return err
		}
		return nil
	})
	server, err := rpc.NewServer(m.t.Context(), rpc.Config{Listen: "127.0.0.1:0", MaxMessage: rpc.DefaultMaxMessage, Grace: time.Second}, quiet)
	if err != nil {
		m.t.Fatal(err)
	}
	s.Register(server)
	if err := s.RegisterHTTP(server, gateway.HTTP{}); err != nil {
		m.t.Fatal(err)
	}
	m.run(server.Run)
	conn, err = rpc.Dial(server.Addr(), rpc.DialSettings{})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = conn.Close() })
	return conn, server.Addr(), func() {
		dead = true
		nc.Close()
	}
}

// request asks for everything that a gateway can be asked for.
func (m *mesh) request() *gatewayv1.CreateGenerationRequest {
	faces := testkit.ExampleFaces(m.t)
	return &gatewayv1.CreateGenerationRequest{Generation: &gatewayv1.Generation{
		Subjects:     []*gatewayv1.GenerationSubject{{Name: "ada", Photos: []*mediav1.Picture{inline(faces[0])}}},
		Style:        inline(faces[1]),
		Prompt:       "smiling",
		PictureCount: new(int32(2)),
		Background:   denoiserv1.Background_BACKGROUND_KEEP,
	}}
}

func (m *mesh) create(client gatewayv1.GenerationServiceClient) *gatewayv1.Generation {
	m.t.Helper()
	g, err := client.CreateGeneration(m.t.Context(), m.request())
	if err != nil {
		m.t.Fatal(err)
	}
	return g
}

// await follows a generation to its end. A machine that is too busy to answer is
// asked again, as clients do.
func (m *mesh) await(client gatewayv1.GenerationServiceClient, name string) *gatewayv1.Generation {
	m.t.Helper()
	var last *gatewayv1.Generation
	for {
		stream, err := client.WatchGeneration(m.t.Context(), &gatewayv1.WatchGenerationRequest{Name: name})
		for err == nil {
			var event *gatewayv1.WatchGenerationResponse
			if event, err = stream.Recv(); event.GetGeneration() != nil {
				last = event.GetGeneration()
			}
		}
		if errors.Is(err, io.EOF) {
			return last
		}
		if fault.From(err).Kind != fault.Unavailable {
			m.t.Fatal(err)
		}
	}
}

func (m *mesh) succeeded(client gatewayv1.GenerationServiceClient, g *gatewayv1.Generation) {
	m.t.Helper()
	if g.GetState() != gatewayv1.State_STATE_SUCCEEDED || len(g.GetPictures()) != 2 {
		m.t.Fatalf("ended as %v", g)
	}
	for _, p := range g.GetPictures() {
		got, err := client.GetPicture(m.t.Context(), &gatewayv1.GetPictureRequest{Name: p.GetName()})
		if err != nil {
			m.t.Fatal(err)
		}
		record, err := provenance.Read(got.GetData())
		// The background is the style picture's.
		if err != nil || int32(record.Index) != p.GetSeedIndex() || record.Source != provenance.Composite {
			m.t.Errorf("%s has the record %+v, %v", p.GetName(), record, err)
		}
		if len(p.GetFaces()) != 1 || p.GetFaces()[0].GetSimilarity() != 1 {
			m.t.Errorf("faces are %v", p.GetFaces())
		}
	}
}

func TestGenerationIsMadeOverEitherTransport(t *testing.T) {
	for name, plain := range map[string]bool{"queue": false, "grpc": true} {
		t.Run(name, func(t *testing.T) {
			m := newMesh(t)
			var c gateway.Config
			for stage, transport := range map[string]*string{
				"encoder": &c.Encoder, "prior": &c.Prior, "segmenter": &c.Segmenter, "denoiser": &c.Denoiser,
			} {
				if plain {
					*transport = m.plain(stage)
				} else {
					m.queued(stage)
				}
			}
			client, _ := m.serve(c)
			g := m.create(client)
			m.succeeded(client, m.await(client, g.GetName()))
			if n := m.stages.denoised.Load(); n != 2 {
				t.Errorf("denoised %d times", n)
			}
		})
	}
}

func (m *mesh) queueAll() {
	for _, stage := range []string{"encoder", "prior", "segmenter", "denoiser"} {
		m.queued(stage)
	}
}

func TestAnotherGatewayTakesOver(t *testing.T) {
	m := newMesh(t)
	m.queueAll()
	m.stages.hold = make(chan struct{})
	client, die := m.serve(gateway.Config{})
	g := m.create(client)
	<-m.stages.begun
	<-m.stages.begun
	die()
	client, _ = m.serve(gateway.Config{})
	close(m.stages.hold)
	m.succeeded(client, m.await(client, g.GetName()))
	if n := m.stages.denoised.Load(); n != 2 {
		t.Errorf("denoised %d times: the second gateway did not find the first one's work", n)
	}
}

func TestCancelEndsTheDenoising(t *testing.T) {
	m := newMesh(t)
	m.queueAll()
	m.stages.hold = make(chan struct{})
	client, _ := m.serve(gateway.Config{})
	g := m.create(client)
	<-m.stages.begun
	got, err := client.CancelGeneration(t.Context(), &gatewayv1.CancelGenerationRequest{Name: g.GetName()})
	if err != nil || got.GetState() != gatewayv1.State_STATE_CANCELLED {
		t.Errorf("got %v, %v", got, err)
	}
	if after := m.await(client, g.GetName()); after.GetState() != gatewayv1.State_STATE_CANCELLED {
		t.Errorf("ended as %v", after)
	}
}
