package gateway_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
)

// flood is another tenant, and what it needs to be a nuisance.
type flood struct {
	m       *mesh
	address string
	client  gatewayv1.GenerationServiceClient
	// name is a generation of its own that waits for its turn.
	name string
}

// nuisances begin what they do, which ends with ctx, and return when all of it has
// begun; doing waits for its end.
var nuisances = []struct {
	name  string
	begin func(ctx context.Context, f *flood, doing *sync.WaitGroup) error
}{
	{"ten times the rate limit", tooOften},
	{"1000 idle watchers", idleWatchers},
	{"200 slow uploads", slowUploads},
	{"200 half-closed streams", halfClosed},
}

const (
	watchers = 1000
	// openAtOnce is how many watches are opened at the same time.
	openAtOnce = 16
	slow       = 200
	// turn is how many generations are created, and got, in each turn.
	turn = 25
)

// BenchmarkBeside is what creating and getting a generation takes for one tenant,
// alone and beside another one that is a nuisance, by turns in one gateway. An
// iteration is a turn of each.
func BenchmarkBeside(b *testing.B) {
	for _, nuisance := range nuisances {
		b.Run(nuisance.name, func(b *testing.B) {
			m := newMesh(b)
			conn, address, _ := m.limited("defaults: {in-flight: 0}\ntenants:\n  flood: {running: 1, watches: 0}\n  often: {requests-per-second: 20}\n")
			other, err := rpc.Dial(address, rpc.DialSettings{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = other.Close() })
			f := &flood{m: m, address: address, client: gatewayv1.NewGenerationServiceClient(other)}
			// The first keeps the second waiting, to which nothing happens.
			for range 2 {
				g, err := f.client.CreateGeneration(of(b.Context(), "flood"), m.request())
				if err != nil {
					b.Fatal(err)
				}
				f.name = g.GetName()
			}
			var alone, beside spent
			for b.Loop() {
				alone.take(b, m, conn)
				ctx, stop := context.WithCancel(b.Context())
				var doing sync.WaitGroup
				if err := nuisance.begin(ctx, f, &doing); err != nil {
					b.Fatal(err)
				}
				beside.take(b, m, conn)
				stop()
				doing.Wait()
			}
			for what, of := range map[string]func(*spent) []time.Duration{
				"create": func(s *spent) []time.Duration { return s.create },
				"get":    func(s *spent) []time.Duration { return s.get },
			} {
				b.ReportMetric(p95(of(&alone)), what+"-p95-ms-alone")
				b.ReportMetric(p95(of(&beside)), what+"-p95-ms-beside")
				b.ReportMetric(p95(of(&beside))/p95(of(&alone)), what+"-p95-ratio")
			}
		})
	}
}

// spent is what the calls of a tenant took.
type spent struct{ create, get []time.Duration }

func (s *spent) take(b *testing.B, m *mesh, conn *grpc.ClientConn) {
	b.Helper()
	client, ctx := gatewayv1.NewGenerationServiceClient(conn), of(b.Context(), "ada")
	for range turn {
		begun := time.Now()
		g, err := client.CreateGeneration(ctx, m.request())
		if err != nil {
			b.Fatal(err)
		}
		s.create = append(s.create, time.Since(begun))
		begun = time.Now()
		if _, err := client.GetGeneration(ctx, &gatewayv1.GetGenerationRequest{Name: g.GetName()}); err != nil {
			b.Fatal(err)
		}
		s.get = append(s.get, time.Since(begun))
		if _, err := client.CancelGeneration(ctx, &gatewayv1.CancelGenerationRequest{Name: g.GetName()}); err != nil {
			b.Fatal(err)
		}
	}
}

// p95 is in milliseconds.
func p95(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)*95/100].Microseconds()) / 1000
}

// tooOften asks 200 times a second where 20 are allowed.
func tooOften(ctx context.Context, f *flood, doing *sync.WaitGroup) error {
	doing.Go(func() {
		tick := time.NewTicker(time.Second / 200)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			doing.Go(func() {
				if g, err := f.client.CreateGeneration(of(ctx, "often"), f.m.request()); err == nil {
					_, _ = f.client.CancelGeneration(of(ctx, "often"), &gatewayv1.CancelGenerationRequest{Name: g.GetName()})
				}
			})
		}
	})
	return nil
}

// idleWatchers watch a generation to which nothing happens.
func idleWatchers(ctx context.Context, f *flood, doing *sync.WaitGroup) error {
	begun := new(errgroup.Group)
	begun.SetLimit(openAtOnce)
	for range watchers {
		begun.Go(func() error {
			stream, err := f.watch(ctx)
			// A machine that has too much to do is asked again, as clients do.
			for fault.From(err) != nil && fault.From(err).Retryable {
				stream, err = f.watch(ctx)
			}
			if err != nil {
				return fmt.Errorf("watch: %w", err)
			}
			doing.Go(func() {
				for err == nil {
					_, err = stream.Recv()
				}
			})
			return nil
		})
	}
	return begun.Wait()
}

// watch opens a watch, and returns when it has begun.
func (f *flood) watch(ctx context.Context) (grpc.ServerStreamingClient[gatewayv1.WatchGenerationResponse], error) {
	stream, err := f.client.WatchGeneration(of(ctx, "flood"), &gatewayv1.WatchGenerationRequest{Name: f.name})
	if err == nil {
		_, err = stream.Recv()
	}
	return stream, err
}

// slowUploads send a picture byte by byte.
func slowUploads(ctx context.Context, f *flood, doing *sync.WaitGroup) error {
	for range slow {
		conn, err := f.ask(ctx, "POST /v1/pictures", "Content-Type: image/jpeg\r\nContent-Length: 1000000\r\n")
		if err != nil {
			return err
		}
		doing.Go(func() {
			defer conn.Close()
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for err := error(nil); err == nil; _, err = conn.Write([]byte{0xff}) {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	return nil
}

// halfClosed asks for events, shuts the sending half and reads nothing; and does
// so again every second.
func halfClosed(ctx context.Context, f *flood, doing *sync.WaitGroup) error {
	for range slow {
		conn, err := f.ask(ctx, "GET /v1/"+f.name+":watch", "")
		if err != nil {
			return err
		}
		doing.Go(func() {
			for err == nil {
				_ = conn.(*net.TCPConn).CloseWrite()
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				_ = conn.Close()
				conn, err = f.ask(ctx, "GET /v1/"+f.name+":watch", "")
			}
		})
	}
	return nil
}

// ask begins a request over HTTP.
func (f *flood) ask(ctx context.Context, what, headers string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", f.address)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: %s\r\nFacestudio-Tenant: flood\r\n%s\r\n", what, f.address, headers)
	return conn, err
}
