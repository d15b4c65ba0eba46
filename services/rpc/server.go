package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/facestudio/facestudio/services/config"
)

// Server is a gRPC server: register services, Run it, and tell it when it is
// ready. It implements grpc.ServiceRegistrar.
type Server struct {
	grpc     *grpc.Server
	listener net.Listener
	health   *health.Server
	grace    time.Duration
	log      *slog.Logger
	// hangUp ends the watching streams with its cause.
	hangUp context.CancelCauseFunc
}

// NewServer listens on the configured address; calls are answered once Run
// runs. The server is not ready until Ready says so. An address that cannot be
// listened on is a *config.InvalidError.
func NewServer(ctx context.Context, c Config, log *slog.Logger) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		var p config.Problems
		p.Add("listen", "%v: choose another address", err)
		return nil, p.Err()
	}
	s, err := NewServerOn(listener, c, log) //nolint:contextcheck // calls bring their own
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	return s, nil
}

// NewServerOn is NewServer on a listener that is open already, for example one
// that does not leave the process. The server closes it.
func NewServerOn(listener net.Listener, c Config, log *slog.Logger) (*Server, error) {
	draining, hangUp := context.WithCancelCause(context.Background())
	options := []grpc.ServerOption{
		grpc.StatsHandler(otelgrpc.NewServerHandler()),
		grpc.MaxRecvMsgSize(c.MaxMessage),
		grpc.MaxSendMsgSize(c.MaxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(statusUnary(log), RecoverUnary, identityUnary),
		grpc.ChainStreamInterceptor(statusStream(log), watchStream(draining), RecoverStream, identityStream),
	}
	if c.TLSCert != "" {
		tls, err := serverTLS(c)
		if err != nil {
			hangUp(err)
			return nil, err
		}
		options = append(options, grpc.Creds(credentials.NewTLS(tls)))
	}
	s := &Server{
		grpc:     grpc.NewServer(options...),
		listener: listener,
		health:   health.NewServer(),
		grace:    c.Grace,
		log:      log,
		hangUp:   hangUp,
	}
	s.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return s, nil
}

// RegisterService implements grpc.ServiceRegistrar; it must be called before
// Run.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	s.grpc.RegisterService(desc, implementation)
	s.health.SetServingStatus(desc.ServiceName, healthv1.HealthCheckResponse_NOT_SERVING)
}

// Addr is the address that the server listens on, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Ready makes health answer SERVING, or NOT_SERVING, for the server and all
// its services.
func (s *Server) Ready(ready bool) {
	status := healthv1.HealthCheckResponse_NOT_SERVING
	if ready {
		status = healthv1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status)
	for name := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(name, status)
	}
}

// Run answers calls until ctx ends, then stops: it becomes not ready, waits for
// the calls in flight up to the grace, and cancels those that are left. Streams
// of methods named Watch... would never end by themselves: they end at once,
// UNAVAILABLE, and the caller watches again elsewhere.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(s.listener) }()
	select {
	case err := <-served:
		if err != nil {
			return fmt.Errorf("serve gRPC: %w", err)
		}
		return nil
	case <-ctx.Done():
	}
	s.drain()
	return <-served
}

func (s *Server) drain() {
	s.health.Shutdown()
	s.hangUp(errStopping)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	timer := time.NewTimer(s.grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.log.Warn("calls in flight are cancelled", slog.Duration("grace", s.grace))
		s.grpc.Stop()
		<-done
	}
}

// Close stops at once, whether Run runs or not.
func (s *Server) Close() error {
	s.grpc.Stop()
	// Run closes the listener too; a second close only says so.
	_ = s.listener.Close()
	return nil
}
