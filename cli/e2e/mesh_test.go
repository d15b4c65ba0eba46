package e2e_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/cli/mesh"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/ports"
	"github.com/facestudio/facestudio/services/worker"
)

// threads is the number of threads of one model run in every mesh here: results
// are the same bits for one number.
const threads = 1

// inOneProcess runs the mesh in this process, in the folder, until the test
// ends or the function it returns is called.
func inOneProcess(t *testing.T, dir string) (*grpc.ClientConn, func()) {
	t.Helper()
	m, err := mesh.Open(t.Context(), mesh.Config{
		DataDir:  dir,
		Shared:   worker.Mesh{Bundle: testkit.TinyBundleDir(t), BundleCache: testkit.ModelCache(t)},
		Models:   worker.Models{Library: testkit.Library(t), Provider: "cpu", Threads: threads, Slots: 1},
		RPC:      rpc.Config{MaxMessage: rpc.DefaultMaxMessage, Grace: 10 * time.Second},
		IdlePoll: 50 * time.Millisecond,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := m.Dial()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- m.Run(ctx) }()
	var stopped bool
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		_ = conn.Close()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("run the mesh: %v", err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("close the mesh: %v", err)
		}
	}
	t.Cleanup(stop)
	return conn, stop
}

// separate is the mesh as five programs and a NATS server.
type separate struct {
	t     *testing.T
	nats  *process
	parts map[string]*process
	dir   string
	conn  *grpc.ClientConn
	// bundle is the folder of the models; the tiny bundle's unless a test says
	// otherwise.
	bundle string
	// plain: the gateway calls the stages over plain gRPC.
	plain bool
	// more, where set, tells further arguments of a program.
	more func(name string) []string
}

func inSeparateProcesses(t *testing.T, change ...func(*separate)) *separate {
	t.Helper()
	s := &separate{t: t, parts: map[string]*process{}, dir: t.TempDir(), bundle: testkit.TinyBundleDir(t)}
	for _, do := range change {
		do(s)
	}
	if s.nats == nil {
		s.startNATS(ports.Address(t))
	}
	for _, name := range programs {
		s.start(name)
	}
	var err error
	if s.conn, err = rpc.Dial(s.parts["gateway"].listen, rpc.DialSettings{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	return s
}

func (s *separate) startNATS(listen string) {
	s.t.Helper()
	s.nats = launch(s.t, "natsd", "-dir", filepath.Join(s.dir, "nats"), "-listen", listen)
}

// restartNATS kills the NATS server and starts it again where it was.
func (s *separate) restartNATS() {
	s.t.Helper()
	s.nats.kill()
	s.startNATS(strings.TrimPrefix(s.nats.listen, "nats://"))
}

// start starts a program, or starts it again where it listened before.
func (s *separate) start(name string) {
	s.t.Helper()
	listen := ports.Address(s.t)
	if before, ok := s.parts[name]; ok {
		listen = before.listen
	}
	args := []string{
		"--nats-url", s.nats.listen, "--listen", listen,
		"--blob-url", "file://" + filepath.Join(s.dir, "blobs"),
		"--bundle", s.bundle, "--bundle-cache", testkit.ModelCache(s.t),
	}
	if name != "gateway" {
		args = append(args, "--ort-library", testkit.Library(s.t), "--threads", "1")
	}
	if name == "gateway" && s.plain {
		for _, stage := range programs[:4] {
			args = append(args, "--"+worker.StageName(stage)+"-transport", "grpc://"+s.parts[stage].listen)
		}
	}
	if s.more != nil {
		args = append(args, s.more(name)...)
	}
	s.parts[name] = launch(s.t, name, args...)
}

func (s *separate) client() gatewayv1.GenerationServiceClient {
	return gatewayv1.NewGenerationServiceClient(s.conn)
}

// example is one of the example faces.
func example(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testkit.Root(t), "examples", "faces", name+".jpg"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
