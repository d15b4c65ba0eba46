package rpc_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
)

// revoker lets every call in, and go on until it is closed.
type revoker chan struct{}

func (revoker) Admit(ctx context.Context, _ string) (context.Context, error) { return ctx, nil }

func (r revoker) Hold(ctx context.Context, _ string) error {
	select {
	case <-r:
		return fault.New(fault.Unauthenticated, faultv1.Reason_REASON_CREDENTIALS_INVALID, "", "the key was revoked")
	case <-ctx.Done():
		return nil
	}
}

// uploads is a picture service that takes what comes.
type uploads struct {
	gatewayv1.UnimplementedPictureServiceServer
	got chan struct{}
}

func (u *uploads) UploadPicture(s grpc.ClientStreamingServer[gatewayv1.UploadPictureRequest, gatewayv1.StoredPicture]) error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
		u.got <- struct{}{}
	}
}

func TestCallsUnderWayEndWhenTheirCallerMayNotGoOn(t *testing.T) {
	revoked, got := make(revoker), make(chan struct{}, 3)
	server, err := rpc.NewServer(t.Context(), rpc.Config{Listen: "127.0.0.1:0", MaxMessage: rpc.DefaultMaxMessage, Grace: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.Guard(revoked)
	gatewayv1.RegisterGenerationServiceServer(server, &fake{
		get: func(ctx context.Context) (*gatewayv1.Generation, error) {
			got <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		},
		watch: func(ctx context.Context) error {
			got <- struct{}{}
			<-ctx.Done()
			return context.Cause(ctx)
		},
	})
	gatewayv1.RegisterPictureServiceServer(server, &uploads{got: got})
	conn := run(t, server)

	answers := make(map[string]chan error)
	for name, call := range map[string]func() error{
		"unary": func() error {
			_, err := gatewayv1.NewGenerationServiceClient(conn).GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{})
			return err
		},
		"watch": func() error {
			stream, err := gatewayv1.NewGenerationServiceClient(conn).WatchGeneration(t.Context(), &gatewayv1.WatchGenerationRequest{})
			for err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"an upload that says nothing more": func() error {
			stream, err := gatewayv1.NewPictureServiceClient(conn).UploadPicture(t.Context())
			if err != nil {
				return err
			}
			if err := stream.Send(&gatewayv1.UploadPictureRequest{}); err != nil {
				return err
			}
			return stream.RecvMsg(new(gatewayv1.StoredPicture))
		},
	} {
		answer := make(chan error, 1)
		answers[name] = answer
		go func() { answer <- call() }()
	}
	for range answers {
		<-got
	}
	close(revoked)
	for name, answer := range answers {
		if err := <-answer; status.Code(err) != codes.Unauthenticated || !fault.Is(err, faultv1.Reason_REASON_CREDENTIALS_INVALID) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatSucceededIsAnswered(t *testing.T) {
	revoked := make(revoker)
	server, err := rpc.NewServer(t.Context(), rpc.Config{Listen: "127.0.0.1:0", MaxMessage: rpc.DefaultMaxMessage, Grace: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.Guard(revoked)
	gatewayv1.RegisterGenerationServiceServer(server, &fake{get: func(ctx context.Context) (*gatewayv1.Generation, error) {
		close(revoked)
		<-ctx.Done()
		return &gatewayv1.Generation{Name: "generations/a"}, nil
	}})
	got, err := gatewayv1.NewGenerationServiceClient(run(t, server)).GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{})
	if err != nil || got.GetName() != "generations/a" {
		t.Errorf("got %v, %v", got, err)
	}
}

// run runs a server for as long as the test, and returns a connection to it.
func run(t *testing.T, server *rpc.Server) *grpc.ClientConn {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	conn, err := rpc.Dial(server.Addr(), rpc.DialSettings{})
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
	return conn
}
