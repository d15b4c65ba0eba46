package rpc

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/test/bufconn"

	"github.com/facestudio/facestudio/services/config"
)

// handshakeTimeout bounds how long a new connection may be silent.
const handshakeTimeout = 20 * time.Second

// Server is a gRPC server, which may answer HTTP on the same address: register
// services, Run it, and tell it when it is ready. It implements
// grpc.ServiceRegistrar.
type Server struct {
	grpc       *grpc.Server
	listener   net.Listener
	protocols  *protocols
	health     *health.Server
	grace      time.Duration
	maxMessage int
	log        *slog.Logger
	// local takes connections from within the process; nil without DialLocal.
	local *bufconn.Listener
	// http is nil without HandleHTTP.
	http *http.Server
	// hangUp ends the watching streams with its cause.
	hangUp context.CancelCauseFunc
	// door lets calls in.
	door *door
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
	door := &door{open: c.InsecureListen}
	options := []grpc.ServerOption{
		grpc.StatsHandler(otelgrpc.NewServerHandler()),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.MaxRecvMsgSize(c.MaxMessage),
		grpc.MaxSendMsgSize(c.MaxMessage),
		grpc.MaxHeaderListSize(maxMetadata),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.ForceServerCodecV2(newCodec()),
		// All methods of the mesh are streams to gRPC: see asStreams.
		grpc.ChainStreamInterceptor(statusStream(log), watchStream(draining), RecoverStream, boundStream, identityStream, door.stream),
	}
	protocols := newProtocols(draining, nil)
	if c.TLSCert != "" {
		tls, err := serverTLS(c)
		if err != nil {
			hangUp(err)
			return nil, err
		}
		protocols = newProtocols(draining, tls)
	}
	s := &Server{
		grpc:       grpc.NewServer(append(options, grpc.Creds(protocols))...),
		listener:   listener,
		protocols:  protocols,
		health:     health.NewServer(),
		grace:      c.Grace,
		maxMessage: c.MaxMessage,
		log:        log,
		hangUp:     hangUp,
		door:       door,
	}
	s.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	healthv1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return s, nil
}

// RegisterService implements grpc.ServiceRegistrar; it must be called before
// Run.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	s.grpc.RegisterService(asStreams(desc), implementation)
	s.health.SetServingStatus(desc.ServiceName, healthv1.HealthCheckResponse_NOT_SERVING)
}

// Addr is the address that the server listens on, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// MaxMessage is the largest message that the server takes, bytes.
func (s *Server) MaxMessage() int { return s.maxMessage }

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
	go func() { served <- s.serve() }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.drain() //nolint:contextcheck // ctx has ended; the grace begins now
	return <-served
}

// drain stops both servers side by side: an HTTP request in flight has its gRPC
// call in flight, too.
func (s *Server) drain() {
	s.health.Shutdown()
	s.hangUp(errStopping)
	ctx, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var both sync.WaitGroup
		defer both.Wait()
		if s.http != nil {
			both.Go(func() { _ = s.http.Shutdown(ctx) })
		}
		s.grpc.GracefulStop()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.log.Warn("calls in flight are cancelled", slog.Duration("grace", s.grace))
		_ = s.Close()
		<-done
	}
}

// Close stops at once, whether Run runs or not.
func (s *Server) Close() error {
	s.hangUp(errStopping)
	s.grpc.Stop()
	if s.http != nil {
		_ = s.http.Close()
		_ = s.protocols.web.Close()
	}
	if s.local != nil {
		_ = s.local.Close()
	}
	// Run closes the listener too; a second close only says so.
	_ = s.listener.Close()
	return nil
}
