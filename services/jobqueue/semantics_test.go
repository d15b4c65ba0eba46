package jobqueue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// transports are plain gRPC and the queue: what a caller and a handler see of
// each other is the same.
var transports = map[string]func(t *testing.T, p prior, d denoiser) grpc.ClientConnInterface{
	"grpc": func(t *testing.T, p prior, d denoiser) grpc.ClientConnInterface {
		t.Helper()
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		p.register(server)
		d.register(server)
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(listener) })
		conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = conn.Close()
			server.Stop()
			serving.Wait()
		})
		return conn
	},
	"queue":    openQueue,
	firstCalls: openQueue,
}

// firstCalls are calls through the queue that say that they are the first of their owner.
const firstCalls = "queue, first calls"

func openQueue(t *testing.T, p prior, d denoiser) grpc.ClientConnInterface {
	t.Helper()
	h := newHouse(t, quick())
	serve(t, h.q, jobqueue.ServerSettings{Stage: "prior", MaxAttempts: 1}, p.register)
	serve(t, h.q, jobqueue.ServerSettings{Stage: "denoiser", MaxAttempts: 1}, d.register)
	return h.conn()
}

// overBoth runs a test over both transports.
func overBoth(t *testing.T, p prior, d denoiser, test func(t *testing.T, ctx context.Context, conn grpc.ClientConnInterface)) {
	t.Helper()
	for name, open := range transports {
		t.Run(name, func(t *testing.T) {
			call := jobqueue.Call{Tenant: "ada", Owner: "one", First: name == firstCalls}
			test(t, jobqueue.WithCall(within(t, time.Minute), call), open(t, p, d))
		})
	}
}

func TestSemanticsMetadataArrives(t *testing.T) {
	binary := string([]byte{0, 1, 0xff, '\r', '\n'})
	var got metadata.MD
	p := prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		got, _ = metadata.FromIncomingContext(ctx)
		return answer(1), nil
	}}
	overBoth(t, p, denoiser{}, func(t *testing.T, ctx context.Context, conn grpc.ClientConnInterface) {
		t.Helper()
		ctx = metadata.AppendToOutgoingContext(ctx, "x-one", "1", "x-two", "a", "x-two", "b", "x-raw-bin", binary)
		if _, err := priorv1.NewPriorServiceClient(conn).EmbedImage(ctx, &priorv1.EmbedImageRequest{}); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string][]string{"x-one": {"1"}, "x-two": {"a", "b"}, "x-raw-bin": {binary}} {
			if !slices.Equal(got.Get(key), want) {
				t.Errorf("%s is %q, want %q", key, got.Get(key), want)
			}
		}
	})
}

func TestSemanticsStatusesKeepTheirDetails(t *testing.T) {
	for _, code := range []codes.Code{
		codes.InvalidArgument, codes.NotFound, codes.FailedPrecondition, codes.OutOfRange, codes.PermissionDenied,
	} {
		want, err := status.New(code, "näh: "+code.String()).WithDetails(&mediav1.Tensor{Shape: []int64{1, 2}}, &mediav1.Point{X: 3})
		if err != nil {
			t.Fatal(err)
		}
		p := prior{embed: func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
			return nil, want.Err()
		}}
		overBoth(t, p, denoiser{}, func(t *testing.T, ctx context.Context, conn grpc.ClientConnInterface) {
			t.Helper()
			_, err := priorv1.NewPriorServiceClient(conn).EmbedImage(ctx, &priorv1.EmbedImageRequest{})
			got := status.Convert(err)
			if got.Code() != code || got.Message() != want.Message() || !slices.Equal(names(got), names(want)) {
				t.Errorf("got %v with %v", got, got.Details())
			}
		})
	}
}

// names are the kinds of a status' details.
func names(s *status.Status) []string {
	var all []string
	for _, detail := range s.Details() {
		all = append(all, fmt.Sprintf("%T", detail))
	}
	return all
}

func TestSemanticsDeadlinesTravel(t *testing.T) {
	lefts := make(chan time.Duration, 8)
	p := prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		at, ok := ctx.Deadline()
		if !ok {
			return nil, status.Error(codes.InvalidArgument, "no deadline")
		}
		lefts <- time.Until(at)
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}}
	overBoth(t, p, denoiser{}, func(t *testing.T, ctx context.Context, conn grpc.ClientConnInterface) {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := priorv1.NewPriorServiceClient(conn).EmbedImage(ctx, &priorv1.EmbedImageRequest{})
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		if left := receive(t, lefts); left <= 0 || left > 10*time.Second {
			t.Errorf("the handler had %v", left)
		}
	})
}

func TestSemanticsACancelReachesTheHandler(t *testing.T) {
	began, ended := make(chan struct{}, 1), make(chan error, 1)
	p := prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		began <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, status.FromContextError(ctx.Err()).Err()
	}}
	overBoth(t, p, denoiser{}, func(t *testing.T, ctx context.Context, conn grpc.ClientConnInterface) {
		t.Helper()
		ctx, cancel := context.WithCancel(ctx)
		got := make(chan error, 1)
		go func() {
			_, err := priorv1.NewPriorServiceClient(conn).EmbedImage(ctx, &priorv1.EmbedImageRequest{})
			got <- err
		}()
		receive(t, began)
		cancel()
		if err := receive(t, got); status.Code(err) != codes.Canceled {
			t.Errorf("the caller got %v", err)
		}
		if err := receive(t, ended); !errors.Is(err, context.Canceled) {
			t.Errorf("the handler's context ended with %v", err)
		}
	})
}

func TestSemanticsStreamsKeepOrderAndEnd(t *testing.T) {
	// A slow handler: progress is for those who listen.
	for name, c := range map[string]struct {
		messages int
		end      error
		code     codes.Code
	}{
		"one message":        {1, nil, codes.OK},
		"several":            {5, nil, codes.OK},
		"a fault at once":    {0, status.Error(codes.NotFound, "gone"), codes.NotFound},
		"a fault in between": {3, status.Error(codes.OutOfRange, "far"), codes.OutOfRange},
	} {
		t.Run(name, func(t *testing.T) {
			d := denoiser{denoise: func(_ *denoiserv1.DenoiseRequest, s grpc.ServerStreamingServer[denoiserv1.DenoiseResponse]) error {
				for n := range c.messages {
					progress := &denoiserv1.DenoiseResponse{Event: &denoiserv1.DenoiseResponse_Progress{Progress: &denoiserv1.Progress{Step: int32(n + 1)}}}
					if err := s.Send(progress); err != nil {
						return err
					}
				}
				return c.end
			}}
			overBoth(t, prior{}, d, func(t *testing.T, ctx context.Context, conn grpc.ClientConnInterface) {
				t.Helper()
				stream, err := denoiserv1.NewDenoiserServiceClient(conn).Denoise(ctx, &denoiserv1.DenoiseRequest{})
				if err != nil {
					t.Fatal(err)
				}
				var steps []int32
				for err == nil {
					var m *denoiserv1.DenoiseResponse
					if m, err = stream.Recv(); err == nil {
						steps = append(steps, m.GetProgress().GetStep())
					}
				}
				if !errors.Is(err, io.EOF) && status.Code(err) != c.code || errors.Is(err, io.EOF) != (c.code == codes.OK) {
					t.Errorf("it ended with %v", err)
				}
				if !slices.IsSorted(steps) || c.code == codes.OK && (len(steps) == 0 || steps[len(steps)-1] != int32(c.messages)) {
					t.Errorf("got the steps %v of %d", steps, c.messages)
				}
			})
		})
	}
}

// Header and trailer metadata are no fault for a handler that sets them; only
// gRPC carries them to the caller.
func TestSemanticsHeadersAndTrailersMayBeSet(t *testing.T) {
	p := prior{embed: func(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
		return answer(1), errors.Join(grpc.SetHeader(ctx, metadata.Pairs("h", "1")), grpc.SetTrailer(ctx, metadata.Pairs("t", "1")))
	}}
	overBoth(t, p, denoiser{}, func(t *testing.T, ctx context.Context, conn grpc.ClientConnInterface) {
		t.Helper()
		var header, trailer metadata.MD
		_, err := priorv1.NewPriorServiceClient(conn).EmbedImage(ctx, &priorv1.EmbedImageRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
		if err != nil {
			t.Fatal(err)
		}
		_, queue := conn.(*jobqueue.Conn)
		if carried := len(header.Get("h"))+len(trailer.Get("t")) == 2; carried == queue {
			t.Errorf("header %v, trailer %v", header, trailer)
		}
	})
}

func TestSemanticsWhatNobodyServes(t *testing.T) {
	overBoth(t, prior{}, denoiser{}, func(t *testing.T, ctx context.Context, conn grpc.ClientConnInterface) {
		t.Helper()
		err := conn.Invoke(ctx, "/facestudio.prior.v1.PriorService/Paint", &priorv1.EmbedImageRequest{}, &priorv1.EmbedImageResponse{})
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("got %v", err)
		}
	})
}
