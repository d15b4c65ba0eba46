package e2e_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
)

// faces are the example faces that the crowd has pictures made of.
var faces = []string{"amara", "clara", "edith", "elena", "erik", "jabari", "jun", "kenji", "marco", "mei", "rosa", "samuel"}

// numbered is a generation that differs from that of every other number.
func numbered(t *testing.T, number uint64) *gatewayv1.Generation {
	t.Helper()
	n := int(number % 1e6)
	g := &gatewayv1.Generation{
		Subjects: []*gatewayv1.GenerationSubject{{Photos: []*mediav1.Picture{inline(example(t, faces[n%len(faces)]))}}},
		Prompt:   fmt.Sprintf("portrait %d of a person", number),
		Seed:     new(number), Steps: new(int32(20)),
	}
	if n%2 == 0 {
		g.Style = inline(example(t, faces[n/len(faces)%len(faces)]))
	}
	if n%4 == 0 {
		kept(g)
	} else {
		g.Background = denoiserv1.Background_BACKGROUND_MEAN
	}
	return g
}

// crowd is the clients of the arena. They talk to any gateway, take it as gRPC
// clients do that one fails or does not answer, and write down what they see.
type crowd struct {
	t        *testing.T
	gateways []gatewayv1.GenerationServiceClient
	names    []string
	seed     uint64

	mu    sync.Mutex
	tales []*tale
	// ends is when generations were seen to end.
	ends []time.Time
}

// A call that is not answered in callTime is made at the next gateway; a client
// gives up after clientPatience, which is a failure of the mesh.
const (
	callTime       = 8 * time.Second
	clientPatience = 4 * time.Minute
)

func newCrowd(t *testing.T, seed uint64, addresses []string) *crowd {
	t.Helper()
	c := &crowd{t: t, seed: seed, names: addresses}
	for _, address := range addresses {
		conn, err := rpc.Dial(address, rpc.DialSettings{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		c.gateways = append(c.gateways, gatewayv1.NewGenerationServiceClient(conn))
	}
	return c
}

// run has so many clients ask for one generation after the other until ctx ends;
// what was accepted is followed to its end.
func (c *crowd) run(ctx context.Context, clients int) {
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			draw := rand.New(rand.NewPCG(c.seed, uint64(i)+1)) //nolint:gosec // to be repeated
			for n := uint64(1); ctx.Err() == nil; n++ {
				c.live(draw, uint64(i+1)*100_000+n) //nolint:contextcheck // what was accepted is followed to its end
			}
		})
	}
	all.Wait()
}

// live is the life of one generation.
func (c *crowd) live(draw *rand.Rand, number uint64) {
	ctx, done := context.WithTimeout(c.t.Context(), clientPatience)
	defer done()
	life := &tale{number: number}
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tales = append(c.tales, life)
		c.ends = append(c.ends, time.Now())
	}()
	var id uuid.UUID
	binary.LittleEndian.PutUint64(id[:], draw.Uint64())
	binary.LittleEndian.PutUint64(id[8:], draw.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	request := &gatewayv1.CreateGenerationRequest{Generation: numbered(c.t, number), RequestId: id.String()}
	first, cancels, after := draw.IntN(len(c.gateways)), draw.IntN(4) == 0, time.Duration(draw.Int64N(int64(1500*time.Millisecond)))
	c.ask(ctx, life, first, "create", func(ctx context.Context, gateway gatewayv1.GenerationServiceClient) (*gatewayv1.Generation, error) {
		return gateway.CreateGeneration(ctx, request)
	}, func(s sighting, g *gatewayv1.Generation) { life.name, life.accepted = g.GetName(), s.got })
	if life.name == "" {
		return
	}
	var beside sync.WaitGroup
	var cancelled *tale
	if cancels {
		// A tale of its own, for it is told at the same time.
		cancelled = &tale{}
		beside.Go(func() {
			time.Sleep(after)
			c.ask(ctx, cancelled, first+1, "cancel", func(ctx context.Context, gateway gatewayv1.GenerationServiceClient) (*gatewayv1.Generation, error) {
				return gateway.CancelGeneration(ctx, &gatewayv1.CancelGenerationRequest{Name: life.name})
			}, func(s sighting, _ *gatewayv1.Generation) { cancelled.cancelled = &s })
		})
	}
	c.follow(ctx, life, first)
	beside.Wait()
	if cancelled != nil {
		life.cancelled = cancelled.cancelled
		life.sightings = append(life.sightings, cancelled.sightings...)
		life.wrong = append(life.wrong, cancelled.wrong...)
	}
	for i := range c.gateways {
		c.look(ctx, life, i)
	}
	c.fetch(ctx, life, first)
}

// ask makes a call until a gateway answers it, and notes the answer.
func (c *crowd) ask(ctx context.Context, life *tale, first int, what string,
	call func(context.Context, gatewayv1.GenerationServiceClient) (*gatewayv1.Generation, error), then func(sighting, *gatewayv1.Generation),
) {
	for at := first; ctx.Err() == nil; at++ {
		at %= len(c.gateways)
		began := time.Now()
		trying, enough := context.WithTimeout(ctx, callTime)
		g, err := call(trying, c.gateways[at])
		enough()
		if err == nil {
			s := sight(what+" at "+c.names[at], began, g)
			life.sightings = append(life.sightings, s)
			then(s, g)
			return
		}
		if !passing(err) {
			life.wrong = append(life.wrong, fmt.Sprintf("%s at %s: %v", what, c.names[at], err))
			return
		}
		breathe(ctx)
	}
	life.wrong = append(life.wrong, what+" was not answered for "+clientPatience.String())
}

func (c *crowd) look(ctx context.Context, life *tale, at int) {
	c.ask(ctx, life, at, "get", func(ctx context.Context, gateway gatewayv1.GenerationServiceClient) (*gatewayv1.Generation, error) {
		return gateway.GetGeneration(ctx, &gatewayv1.GetGenerationRequest{Name: life.name})
	}, func(sighting, *gatewayv1.Generation) {})
}

// follow watches a generation to its end.
func (c *crowd) follow(ctx context.Context, life *tale, first int) {
	for at := first; ctx.Err() == nil; at++ {
		at %= len(c.gateways)
		ended, err := c.watch(ctx, life, at)
		if ended {
			return
		}
		if err != nil && !errors.Is(err, io.EOF) && !passing(err) {
			life.wrong = append(life.wrong, fmt.Sprintf("watch at %s: %v", c.names[at], err))
			return
		}
		breathe(ctx)
	}
	life.wrong = append(life.wrong, "it had not ended after "+clientPatience.String())
}

func (c *crowd) watch(ctx context.Context, life *tale, at int) (ended bool, err error) {
	ctx, enough := context.WithTimeout(ctx, 2*callTime)
	defer enough()
	began := time.Now()
	stream, err := c.gateways[at].WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{Name: life.name})
	for err == nil {
		var event *gatewayv1.WatchGenerationResponse
		if event, err = stream.Recv(); err == nil && event.GetGeneration() != nil {
			s := sight("watch at "+c.names[at], began, event.GetGeneration())
			life.sightings = append(life.sightings, s)
			if s.ended() {
				return true, nil
			}
		}
	}
	return false, err
}

// fetch gets the pictures of a generation that succeeded.
func (c *crowd) fetch(ctx context.Context, life *tale, first int) {
	if len(life.sightings) == 0 || life.sightings[len(life.sightings)-1].state != gatewayv1.State_STATE_SUCCEEDED {
		return
	}
	for _, name := range life.sightings[len(life.sightings)-1].pictures {
		for at := first; ; at++ {
			trying, enough := context.WithTimeout(ctx, callTime)
			got, err := c.gateways[at%len(c.gateways)].GetPicture(trying, &gatewayv1.GetPictureRequest{Name: name})
			enough()
			if err == nil {
				life.pictures = append(life.pictures, got.GetData())
				break
			}
			if !passing(err) || ctx.Err() != nil {
				life.wrong = append(life.wrong, fmt.Sprintf("get %s: %v", name, err))
				return
			}
			breathe(ctx)
		}
	}
}

// passing says whether a client tries again: nobody answered, or it was told to.
func passing(err error) bool {
	f := fault.From(err)
	return f.Retryable || f.Kind == fault.Unavailable || f.Kind == fault.Deadline || f.Kind == fault.Exhausted
}

func breathe(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
}
