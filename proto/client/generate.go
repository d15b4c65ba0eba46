package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

const (
	minWait = 200 * time.Millisecond
	maxWait = 3 * time.Second
	// cancelTimeout bounds the cancelling of a generation that nobody waits for.
	cancelTimeout = 5 * time.Second
)

// Picture is a picture that a generation made.
type Picture struct {
	// About is what the generation tells about it: size, faces, warnings.
	About *gatewayv1.ResultPicture
	// Data is the encoded picture.
	Data []byte
	// MediaType is "image/png", "image/jpeg" or "image/webp".
	MediaType string
}

// Result is a generation that succeeded.
type Result struct {
	// Generation as it ended.
	Generation *gatewayv1.Generation
	// Pictures, in the order of their index.
	Pictures []Picture
}

// Generate makes pictures: it creates the generation, follows it until it has
// ended, and fetches the pictures. progress, if not nil, is told how it goes; it
// is called by this goroutine and should return soon. When ctx ends before the
// generation did, the generation is cancelled. A request without a request id
// gets one.
func (c *Client) Generate(ctx context.Context, req *gatewayv1.CreateGenerationRequest, progress func(*gatewayv1.ProgressEvent)) (*Result, error) {
	created, err := c.Create(ctx, req)
	if err != nil {
		return nil, err
	}
	ended, err := c.Follow(ctx, created.GetName(), progress)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(err, c.cancel(ctx, created.GetName()))
		}
		return nil, err
	}
	if err := Outcome(ended); err != nil {
		return nil, err
	}
	pictures, err := c.Pictures(ctx, ended)
	if err != nil {
		return nil, err
	}
	return &Result{Generation: ended, Pictures: pictures}, nil
}

// Create creates a generation. A mesh that does not answer is asked again with
// the same request id, which makes no second one.
func (c *Client) Create(ctx context.Context, req *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
	if req.GetRequestId() == "" {
		req = &gatewayv1.CreateGenerationRequest{Generation: req.GetGeneration(), RequestId: newRequestID()}
	}
	return again(ctx, c.forbearance(), func(ctx context.Context) (*gatewayv1.Generation, error) {
		return c.Generations.CreateGeneration(ctx, req)
	})
}

// Follow watches a generation until it has ended, and returns it then. A lost
// connection is made anew, and goes on after the last event; a mesh that has too many
// watches for the moment is asked again.
func (c *Client) Follow(ctx context.Context, name string, progress func(*gatewayv1.ProgressEvent)) (*gatewayv1.Generation, error) {
	f := follower{client: c.Generations, name: name, progress: progress}
	lost, wait := time.Now(), minWait
	for {
		g, events, err := f.watch(ctx)
		if err == nil {
			return g, nil
		}
		if ctx.Err() != nil {
			return nil, wrap(context.Cause(ctx))
		}
		if events > 0 {
			lost, wait = time.Now(), minWait
		}
		if !passes(err) || time.Since(lost) > c.forbearance() {
			return nil, wrap(err)
		}
		if err := pause(ctx, max(wait, delayOf(err))); err != nil {
			return nil, err
		}
		wait = min(2*wait, maxWait)
	}
}

// passes tells whether a watch that ended so may be begun again: the server is away,
// or it has too many watches for the moment. The generation goes on meanwhile.
func passes(err error) bool {
	return status.Code(err) == codes.Unavailable || status.Code(err) == codes.ResourceExhausted && delayOf(err) > 0
}

// delayOf is how long the mesh says to wait before a call is made again; 0 when it
// does not say.
func delayOf(err error) time.Duration {
	if e, ok := errors.AsType[*Error](wrap(err)); ok {
		return e.RetryAfter
	}
	return 0
}

// follower is one Follow.
type follower struct {
	client   gatewayv1.GenerationServiceClient
	name     string
	progress func(*gatewayv1.ProgressEvent)
	// after is the number of the newest change that came.
	after uint64
}

// watch is one Watch call. It returns the generation once it has ended, and how
// many events came.
func (f *follower) watch(ctx context.Context) (_ *gatewayv1.Generation, events int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := f.client.WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{Name: f.name, After: f.after})
	if err != nil {
		return nil, 0, err
	}
	for ; ; events++ {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil, events, status.Error(codes.Unavailable, "the server hung up: watch again")
		}
		if err != nil {
			return nil, events, err
		}
		f.after = event.GetNumber()
		g := event.GetGeneration()
		if Ended(g) {
			return g, events, nil
		}
		f.tell(event)
	}
}

func (f *follower) tell(event *gatewayv1.WatchGenerationResponse) {
	p := event.GetProgress()
	if known := event.GetGeneration().GetProgress(); known != nil {
		p = &gatewayv1.ProgressEvent{Progress: known}
	}
	if p != nil && f.progress != nil {
		f.progress(p)
	}
}

// Pictures fetches the pictures of a generation.
func (c *Client) Pictures(ctx context.Context, g *gatewayv1.Generation) ([]Picture, error) {
	pictures := make([]Picture, len(g.GetPictures()))
	for i, about := range g.GetPictures() {
		got, err := again(ctx, c.forbearance(), func(ctx context.Context) (*gatewayv1.GetPictureResponse, error) {
			return c.Generations.GetPicture(ctx, &gatewayv1.GetPictureRequest{Name: about.GetName()})
		})
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", about.GetName(), err)
		}
		pictures[i] = Picture{About: about, Data: got.GetData(), MediaType: got.GetMediaType()}
	}
	return pictures, nil
}

// cancel ends a generation although ctx has ended.
func (c *Client) cancel(ctx context.Context, name string) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer done()
	if _, err := c.Generations.CancelGeneration(ctx, &gatewayv1.CancelGenerationRequest{Name: name}); err != nil {
		return fmt.Errorf("cancel %s: %w", name, wrap(err))
	}
	return nil
}

// again makes a call that is safe to repeat, until it is answered.
func again[T any](ctx context.Context, patience time.Duration, call func(context.Context) (T, error)) (T, error) {
	start, wait := time.Now(), minWait
	for {
		out, err := call(ctx)
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil || status.Code(err) != codes.Unavailable || time.Since(start) > patience {
			return out, wrap(err)
		}
		if err := pause(ctx, wait); err != nil {
			return out, err
		}
		wait = min(2*wait, maxWait)
	}
}

func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return wrap(context.Cause(ctx))
	case <-timer.C:
		return nil
	}
}

// newRequestID draws a UUID of version 4.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
