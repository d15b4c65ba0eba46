package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/facestudio/facestudio/services/testkit"
)

// programs are the binaries of the mesh, by folder name.
var programs = []string{"encoder-svc", "prior-svc", "segmenter-svc", "denoiser-svc", "gateway"}

// built has the folder of the binaries, built once for all tests.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// binaries builds every program and returns their folder. Short tests run no
// programs: the race detector sees nothing of them.
func binaries(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts programs")
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "facestudio-e2e-"); built.err != nil { //nolint:usetesting // all tests share it; TestMain removes it
			return
		}
		args := []string{"build", "-ldflags", "-s -w", "-o", built.dir + "/", "./cli/e2e/natsd", "./cli/cmd/facestudio"}
		for _, p := range programs {
			args = append(args, "./"+p+"/cmd/"+p)
		}
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = testkit.Root(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = errors.New(err.Error() + ": " + string(out))
		}
	})
	if built.err != nil {
		t.Fatalf("build the programs: %v", built.err)
	}
	return built.dir
}

// patience bounds every wait of these tests.
const patience = 3 * time.Minute

// process is one running program.
type process struct {
	name string
	cmd  *exec.Cmd
	// listen is the address of its "ready" line.
	listen string
	// ready gets that address.
	ready chan string
	// quiet leaves its log out of what a failed test prints.
	quiet bool
	// ended is closed when the program has ended and its output is read.
	ended chan struct{}

	mu  sync.Mutex
	log strings.Builder
}

// launch starts a program and returns once it says that it is ready.
func launch(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return launchIn(t, "", nil, name, args...)
}

// launchIn is launch in a working folder and with more environment.
func launchIn(t *testing.T, dir string, env []string, name string, args ...string) *process {
	t.Helper()
	p := begin(t, dir, env, name, args...)
	select {
	case p.listen = <-p.ready:
	case <-p.ended:
		t.Fatalf("%s ended before it was ready:\n%s", name, p.output())
	case <-time.After(patience):
		t.Fatalf("%s is not ready:\n%s", name, p.output())
	}
	return p
}

// begin starts a program and does not wait for it.
func begin(t *testing.T, dir string, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{name: name, ended: make(chan struct{}), ready: make(chan string, 1)}
	// It outlives the test's context, to be ended and read in the cleanup.
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(binaries(t), name), args...)
	p.cmd.Dir = dir
	p.cmd.Env = append(append(os.Environ(), "FACESTUDIO_LOG_FORMAT=json",
		"FACESTUDIO_SEAL_KEY_FILE="+filepath.Join(binaries(t), "seal.keys")), env...)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { p.read(stdout, p.ready) })
	reading.Go(func() { p.read(stderr, p.ready) })
	go func() {
		reading.Wait()
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.ended
		if t.Failed() && !p.quiet {
			t.Logf("log of %s:\n%s", p.name, p.output())
		}
	})
	return p
}

// read keeps the output and finds the line that says "ready": a log line with
// the address, or a bare URL.
func (p *process) read(from io.Reader, ready chan<- string) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		p.mu.Lock()
		p.log.WriteString(line + "\n")
		p.mu.Unlock()
		var said struct{ Msg, Listen string }
		if strings.HasPrefix(line, "nats://") {
			said.Msg, said.Listen = "ready", line
		} else if json.Unmarshal([]byte(line), &said) != nil {
			continue
		}
		if said.Msg == "ready" {
			select {
			case ready <- said.Listen:
			default:
			}
		}
	}
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the program as kill -9 does.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// stop sends SIGTERM and returns the exit code.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%s does not stop:\n%s", p.name, p.output())
	}
	return p.cmd.ProcessState.ExitCode()
}
