package rpc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/rpc"
)

// abroad is a listener whose connections come from another machine, as far as
// the server can tell.
type abroad struct{ net.Listener }

func (l abroad) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return foreigner{conn}, err
}

type foreigner struct{ net.Conn }

func (foreigner) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 9}
}

// guard is a guard made of a function.
type guard func(context.Context, string) (context.Context, error)

func (g guard) Admit(ctx context.Context, method string) (context.Context, error) {
	return g(ctx, method)
}

func (guard) Hold(ctx context.Context, _ string) error {
	<-ctx.Done()
	return nil
}

// reached is a server that is reached from elsewhere, and what its one method
// learned of its caller.
func reached(t *testing.T, c rpc.Config, g rpc.Guard) (*grpc.ClientConn, *jobqueue.Call) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.MaxMessage, c.Grace = rpc.DefaultMaxMessage, time.Second
	server, err := rpc.NewServerOn(abroad{listener}, c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if g != nil {
		server.Guard(g)
	}
	call := new(jobqueue.Call)
	note := func(ctx context.Context) { *call, _ = jobqueue.CallFrom(ctx) }
	gatewayv1.RegisterGenerationServiceServer(server, &fake{
		get: func(ctx context.Context) (*gatewayv1.Generation, error) {
			note(ctx)
			return &gatewayv1.Generation{}, nil
		},
		watch: func(ctx context.Context) error {
			note(ctx)
			return nil
		},
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	conn, err := rpc.Dial(listener.Addr().String(), rpc.DialSettings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return conn, call
}

// ask calls both kinds of methods for a tenant.
func ask(t *testing.T, conn *grpc.ClientConn) (unary, stream error) {
	t.Helper()
	ctx := jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "ada"})
	client := gatewayv1.NewGenerationServiceClient(conn)
	_, unary = client.GetGeneration(ctx, &gatewayv1.GetGenerationRequest{})
	watch, err := client.WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{})
	for err == nil {
		_, err = watch.Recv()
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return unary, err
}

func TestStrangersAreNotBelieved(t *testing.T) {
	conn, call := reached(t, rpc.Config{}, nil)
	unary, stream := ask(t, conn)
	for _, err := range []error{unary, stream} {
		if status.Code(err) != codes.Unauthenticated || !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_MISSING) {
			t.Errorf("got %v", err)
		}
	}
	if *call != (jobqueue.Call{}) {
		t.Errorf("it was served as %+v", call)
	}
	if _, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
}

func TestAnOpenServerBelievesEverybody(t *testing.T) {
	conn, call := reached(t, rpc.Config{InsecureListen: true}, nil)
	if unary, stream := ask(t, conn); unary != nil || stream != nil || call.Tenant != "ada" {
		t.Errorf("got %v, %v, %+v", unary, stream, call)
	}
}

func TestAGuardDecides(t *testing.T) {
	conn, call := reached(t, rpc.Config{}, guard(func(ctx context.Context, method string) (context.Context, error) {
		if claimed, _ := jobqueue.CallFrom(ctx); claimed.Tenant != "ada" || !strings.HasPrefix(method, "/facestudio.") {
			t.Errorf("asked about %s for %+v", method, claimed)
		}
		if strings.HasSuffix(method, "/WatchGeneration") {
			return nil, fault.New(fault.Denied, faultv1.Reason_REASON_SCOPE_MISSING, "", "no")
		}
		return jobqueue.WithCall(ctx, jobqueue.Call{Tenant: "bob"}), nil
	}))
	unary, stream := ask(t, conn)
	if unary != nil || call.Tenant != "bob" {
		t.Errorf("got %v, %+v", unary, call)
	}
	if status.Code(stream) != codes.PermissionDenied || !fault.Is(stream, faultv1.Reason_REASON_SCOPE_MISSING) {
		t.Errorf("got %v", stream)
	}
	if _, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
}

func TestTooMuchMetadata(t *testing.T) {
	conn, _ := reached(t, rpc.Config{InsecureListen: true}, nil)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+strings.Repeat("x", 200<<10))
	if _, err := gatewayv1.NewGenerationServiceClient(conn).GetGeneration(ctx, &gatewayv1.GetGenerationRequest{}); err == nil {
		t.Error("it was taken")
	}
}

func TestAGuardStandsInForCertificates(t *testing.T) {
	c := rpc.Config{
		Listen: "0.0.0.0:7433", TLSCert: "a", TLSKey: "b", Guarded: true, MaxMessage: rpc.DefaultMaxMessage, Grace: time.Second,
	}
	var p config.Problems
	c.Validate(&p)
	if err := p.Err(); err != nil {
		t.Errorf("got %v", err)
	}
}
