package rpc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/rpc"
)

// fake is a generation service made of functions.
type fake struct {
	gatewayv1.UnimplementedGenerationServiceServer
	get   func(context.Context) (*gatewayv1.Generation, error)
	watch func(context.Context) error
}

func (f *fake) GetGeneration(ctx context.Context, _ *gatewayv1.GetGenerationRequest) (*gatewayv1.Generation, error) {
	return f.get(ctx)
}

func (f *fake) WatchGeneration(_ *gatewayv1.WatchGenerationRequest, s grpc.ServerStreamingServer[gatewayv1.WatchGenerationResponse]) error {
	if err := s.Send(&gatewayv1.WatchGenerationResponse{}); err != nil {
		return err
	}
	return f.watch(s.Context())
}

type running struct {
	server *rpc.Server
	conn   *grpc.ClientConn
	stop   context.CancelFunc
	done   chan error
}

func serve(t *testing.T, f *fake, grace time.Duration) *running {
	t.Helper()
	c := rpc.Config{Listen: "127.0.0.1:0", MaxMessage: rpc.DefaultMaxMessage, Grace: grace}
	server, err := rpc.NewServer(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	gatewayv1.RegisterGenerationServiceServer(server, f)
	ctx, stop := context.WithCancel(context.Background())
	r := &running{server: server, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- server.Run(ctx) }()
	if r.conn, err = rpc.Dial(server.Addr(), rpc.DialSettings{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.conn.Close()
		stop()
		_ = server.Close()
	})
	return r
}

func (r *running) get(t *testing.T) error {
	t.Helper()
	_, err := gatewayv1.NewGenerationServiceClient(r.conn).GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{})
	return err
}

func TestFaultsBecomeStatuses(t *testing.T) {
	tests := []struct {
		name    string
		get     func(context.Context) (*gatewayv1.Generation, error)
		code    codes.Code
		reason  faultv1.Reason
		field   string
		message string
	}{
		{
			name: "fault",
			get: func(context.Context) (*gatewayv1.Generation, error) {
				return nil, fault.InvalidField("alpha", "1.5 is outside 0..1")
			},
			code:   codes.InvalidArgument,
			reason: faultv1.Reason_REASON_INVALID_FIELD, field: "alpha", message: "1.5 is outside 0..1",
		},
		{
			name:    "unclassified",
			get:     func(context.Context) (*gatewayv1.Generation, error) { return nil, errors.New("secret path /var/x") },
			code:    codes.Internal,
			message: "internal error",
		},
		{
			name:    "panic",
			get:     func(context.Context) (*gatewayv1.Generation, error) { panic("boom") },
			code:    codes.Internal,
			message: "internal error",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := serve(t, &fake{get: test.get}, time.Second)
			err := r.get(t)
			if status.Code(err) != test.code || status.Convert(err).Message() != test.message {
				t.Errorf("got %v, want %v %q", err, test.code, test.message)
			}
			if f := fault.From(err); f.Reason != test.reason || f.Field != test.field {
				t.Errorf("got reason %v field %q", f.Reason, f.Field)
			}
		})
	}
}

func TestCallsCarryTheirIdentity(t *testing.T) {
	var got jobqueue.Call
	var present bool
	r := serve(t, &fake{get: func(ctx context.Context) (*gatewayv1.Generation, error) {
		got, present = jobqueue.CallFrom(ctx)
		return &gatewayv1.Generation{}, nil
	}}, time.Second)
	want := jobqueue.Call{Tenant: "ada", Class: jobqueue.Batch, Owner: "generations/7"}
	client := gatewayv1.NewGenerationServiceClient(r.conn)
	if _, err := client.GetGeneration(jobqueue.WithCall(t.Context(), want), &gatewayv1.GetGenerationRequest{}); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := r.get(t); err != nil || present {
		t.Errorf("got %v, identity %v without one given", err, present)
	}
}

func TestHealthAndReflection(t *testing.T) {
	r := serve(t, &fake{}, time.Second)
	health := healthv1.NewHealthClient(r.conn)
	check := func(service string, want healthv1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		answer, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil || answer.GetStatus() != want {
			t.Errorf("%q: got %v %v, want %v", service, answer.GetStatus(), err, want)
		}
	}
	name := gatewayv1.GenerationService_ServiceDesc.ServiceName
	check("", healthv1.HealthCheckResponse_NOT_SERVING)
	check(name, healthv1.HealthCheckResponse_NOT_SERVING)
	r.server.Ready(true)
	check("", healthv1.HealthCheckResponse_SERVING)
	check(name, healthv1.HealthCheckResponse_SERVING)
	r.server.Ready(false)
	check(name, healthv1.HealthCheckResponse_NOT_SERVING)
	if _, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("got %v for an unknown service", err)
	}

	stream, err := reflectionv1.NewServerReflectionClient(r.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(ask); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var found bool
	for _, s := range answer.GetListServicesResponse().GetService() {
		found = found || s.GetName() == name
	}
	if !found {
		t.Errorf("reflection does not list %s", name)
	}
}

func TestStopWaitsForCallsAndHangsUpOnWatchers(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := serve(t, &fake{
		get: func(context.Context) (*gatewayv1.Generation, error) {
			close(entered)
			<-release
			return &gatewayv1.Generation{Name: "generations/7"}, nil
		},
		watch: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	}, time.Minute)
	client := gatewayv1.NewGenerationServiceClient(r.conn)
	watch, err := client.WatchGeneration(t.Context(), &gatewayv1.WatchGenerationRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() { answered <- r.get(t) }()
	<-entered
	r.stop()
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the watcher got %v, want UNAVAILABLE", err)
	}
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("the call in flight got %v", err)
	}
	if err := <-r.done; err != nil {
		t.Errorf("run: %v", err)
	}
	if _, err := watch.Recv(); errors.Is(err, io.EOF) {
		t.Error("the watcher was told that all is well")
	}
}

func TestStopEndsCallsAfterTheGrace(t *testing.T) {
	entered := make(chan struct{})
	r := serve(t, &fake{get: func(ctx context.Context) (*gatewayv1.Generation, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	}}, time.Millisecond)
	answered := make(chan error, 1)
	go func() { answered <- r.get(t) }()
	<-entered
	r.stop()
	if err := <-answered; err == nil {
		t.Error("the call ended well")
	}
	if err := <-r.done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"defaults", nil, ""},
		{"not loopback", []string{"--listen=0.0.0.0:7433"}, "listen"},
		{"every interface", []string{"--listen=:7433"}, "listen"},
		{"not loopback, on purpose", []string{"--listen=0.0.0.0:7433", "--insecure-listen"}, ""},
		{"not loopback, anybody by TLS", []string{"--listen=0.0.0.0:7433", "--tls-cert=a", "--tls-key=b"}, "listen"},
		{"not loopback, TLS both ways", []string{"--listen=0.0.0.0:7433", "--tls-cert=a", "--tls-key=b", "--tls-client-ca=c"}, ""},
		{"IPv6 loopback", []string{"--listen=[::1]:7433"}, ""},
		{"no address", []string{"--listen=7433"}, "listen"},
		{"half of TLS", []string{"--tls-cert=a"}, "tls-cert"},
		{"no grace", []string{"--grace=0s"}, "grace"},
		{"messages too small", []string{"--max-message=1000"}, "max-message"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var c rpc.Config
			err := config.NewSet("test", &c).Load(test.args, func(string) (string, bool) { return "", false })
			if test.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			invalid, ok := errors.AsType[*config.InvalidError](err)
			if !ok || len(invalid.Problems) != 1 || invalid.Problems[0].Setting != test.want {
				t.Errorf("got %v, want one problem with %s", err, test.want)
			}
		})
	}
}
