package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/rpc"
)

// nuisanceName is the environment variable that makes this program a nuisance: which
// one. Its arguments are the gateway's address, the name of a generation that waits for
// its turn and the file of a CreateGenerationRequest; a line of output says that it has
// begun, and the end of its input ends it.
const nuisanceName = "FACESTUDIO_NUISANCE"

// flood is another tenant, and what it needs to be a nuisance.
type flood struct {
	address string
	client  gatewayv1.GenerationServiceClient
	// name is a generation of its own that waits for its turn.
	name    string
	request *gatewayv1.CreateGenerationRequest
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
)

// startNuisance starts a nuisance in a process of its own and returns when it has
// begun; stop ends it.
func startNuisance(b *testing.B, kind, address, name string, request *gatewayv1.CreateGenerationRequest) (stop func()) {
	b.Helper()
	data, err := proto.Marshal(request)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "request")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		b.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self, address, name, file) //nolint:gosec // it is this program
	cmd.Env = append(os.Environ(), nuisanceName+"="+kind)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatalf("%s did not begin: %v", kind, errors.Join(err, cmd.Wait()))
	}
	return func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("%s: %v", kind, err)
		}
	}
}

// nuisance is the process of one.
func nuisance(kind string, args []string) error {
	data, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	f := &flood{address: args[0], name: args[1], request: new(gatewayv1.CreateGenerationRequest)}
	if err := proto.Unmarshal(data, f.request); err != nil {
		return err
	}
	conn, err := rpc.Dial(f.address, rpc.DialSettings{})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	f.client = gatewayv1.NewGenerationServiceClient(conn)
	ctx, stop := context.WithCancel(context.Background())
	var doing sync.WaitGroup
	defer doing.Wait()
	defer stop()
	for _, n := range nuisances {
		if n.name != kind {
			continue
		}
		if err := n.begin(ctx, f, &doing); err != nil {
			return err
		}
		fmt.Println("begun")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}
	return errors.New("there is no such nuisance: " + kind)
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
				if g, err := f.client.CreateGeneration(of(ctx, "often"), f.request); err == nil {
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
