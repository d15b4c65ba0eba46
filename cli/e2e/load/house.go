package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/jobqueue/embedded"
	"github.com/facestudio/facestudio/services/jobqueue/gather"
)

// bundle is what no worker of a real mesh serves.
const bundle = "load00000000"

// stage does nothing, or sleeps.
type stage struct {
	priorv1.UnimplementedPriorServiceServer
	sleep time.Duration
}

func (s stage) EmbedImage(ctx context.Context, _ *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
	if s.sleep > 0 {
		select {
		case <-time.After(s.sleep):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return &priorv1.EmbedImageResponse{}, nil
}

// house is a NATS server in a process of its own and the caller's connection.
type house struct {
	dir    string
	url    string
	server *exec.Cmd
	// others are the processes of workers, if there are any.
	others []*exec.Cmd
	nc     *nats.Conn
	q      *jobqueue.Queue
	client priorv1.PriorServiceClient
}

func openHouse(ctx context.Context) (*house, error) {
	h := &house{}
	var err error
	if h.dir, err = os.MkdirTemp("", "facestudio-load-"); err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	if err := h.open(ctx); err != nil {
		h.close()
		return nil, err
	}
	h.client = priorv1.NewPriorServiceClient(jobqueue.NewConn(h.q, jobqueue.ConnSettings{Bundle: bundle}))
	return h, nil
}

func (h *house) open(ctx context.Context) error {
	var err error
	if h.server, err = again(ctx, "-role", "server", "-nats", h.dir); err != nil {
		return err
	}
	told, err := h.server.StdoutPipe()
	if err != nil {
		return fmt.Errorf("listen to the server: %w", err)
	}
	if err := h.server.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	if _, err := fmt.Fscan(told, &h.url); err != nil {
		return fmt.Errorf("wait for the server: %w", err)
	}
	if h.nc, err = nats.Connect(h.url, gather.Writes()); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	h.q, err = jobqueue.Open(ctx, h.nc, jobqueue.Settings{})
	return err
}

func (h *house) close() {
	if h.q != nil {
		h.q.Close()
	}
	if h.nc != nil {
		h.nc.Close()
	}
	if h.server != nil && h.server.Process != nil {
		_ = end(h.server)
	}
	_ = os.RemoveAll(h.dir)
}

// again is this program once more, with other flags.
func again(ctx context.Context, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // it is this program
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd, nil
}

func end(cmd *exec.Cmd) error {
	_ = cmd.Process.Signal(os.Interrupt)
	return cmd.Wait()
}

// serve is the process of the server; its folder is the url.
func serve(ctx context.Context, o options) error {
	server, err := embedded.Start(ctx, embedded.Settings{Dir: o.url, Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Println(server.URL())
	<-ctx.Done()
	return nil
}

// call makes a call of its own owner.
func (h *house) call(ctx context.Context, owner string) error {
	_, err := h.client.EmbedImage(jobqueue.WithCall(ctx, jobqueue.Call{Tenant: "load", Owner: owner, First: true}), &priorv1.EmbedImageRequest{})
	return err
}

// workers starts a process of workers; stop ends it.
func (h *house) workers(ctx context.Context, replicas, slots int, sleep time.Duration) (stop func() error, err error) {
	return h.start(ctx, "-role", "worker", "-replicas", strconv.Itoa(replicas), "-pipes", strconv.Itoa(slots), "-sleep", sleep.String())
}

// start starts a process that connects to the server; stop ends it.
func (h *house) start(ctx context.Context, args ...string) (stop func() error, err error) {
	cmd, err := again(ctx, append(args, "-nats", h.url)...)
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the workers: %w", err)
	}
	h.others = append(h.others, cmd)
	return func() error {
		h.others = slices.DeleteFunc(h.others, func(other *exec.Cmd) bool { return other == cmd })
		return end(cmd)
	}, nil
}

// work is the process of workers: each replica has its own connection.
func work(ctx context.Context, o options) error {
	var running sync.WaitGroup
	defer running.Wait()
	for range o.replicas {
		nc, err := nats.Connect(o.url, nats.MaxReconnects(-1), gather.Writes())
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		q, err := jobqueue.Open(ctx, nc, jobqueue.Settings{})
		if err != nil {
			nc.Close()
			return err
		}
		server := jobqueue.NewServer(q, jobqueue.ServerSettings{Stage: "prior", Bundle: bundle, Slots: o.pipes, BatchPoll: time.Second})
		server.RegisterService(&priorv1.PriorService_ServiceDesc, stage{sleep: o.sleep})
		running.Go(func() {
			defer nc.Close()
			defer q.Close()
			if err := server.Run(ctx); err != nil {
				fmt.Fprintln(os.Stderr, "load: worker:", err)
			}
		})
	}
	<-ctx.Done()
	return nil
}

// peak is the most memory that this process had resident, MiB.
func peak() int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kib >> 10
		}
	}
	return 0
}
