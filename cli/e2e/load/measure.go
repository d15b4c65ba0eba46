package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// throughput makes all calls and wants an answer to each.
func throughput(ctx context.Context, h *house, o options) error {
	stop, err := h.workers(ctx, 1, o.pipes, 0)
	if err != nil {
		return err
	}
	begun := time.Now()
	var next, failed atomic.Int64
	var calling sync.WaitGroup
	for range o.waiting {
		calling.Go(func() {
			for n := next.Add(1); n <= int64(o.calls) && ctx.Err() == nil; n = next.Add(1) {
				if err := h.call(ctx, "load-"+strconv.FormatInt(n, 10)); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	calling.Wait()
	took := time.Since(begun)
	if err := stop(); err != nil {
		return fmt.Errorf("stop the workers: %w", err)
	}
	stages, err := h.q.Stages(ctx)
	if err != nil {
		return err
	}
	var left uint64
	for _, s := range stages {
		left += s.Waiting + s.InHand
	}
	fmt.Printf("%d calls, %d waiting at a time, %d slots in another process: %d not answered, %d left in the queue; %.0f a second; caller's memory at most %d MiB\n\n",
		o.calls, o.waiting, o.pipes, failed.Load(), left, float64(o.calls)/took.Seconds(), peak())
	if failed.Load() > 0 || left > 0 {
		return fmt.Errorf("%d calls failed and %d are left", failed.Load(), left)
	}
	return nil
}

// kind is something whose cost is measured.
type kind struct {
	name string
	do   func(context.Context) error
}

// costs compares what goes through the queue with less.
func costs(ctx context.Context, h *house, o options) error {
	// The connection of the bare sequence is the library's.
	nc, js, err := connect(h.url)
	if err != nil {
		return err
	}
	defer nc.Close()
	bare, err := newBare(ctx, js, bareHere)
	if err != nil {
		return err
	}
	gathering, err := jetstream.New(h.nc)
	if err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	gathered, err := newBare(ctx, gathering, bareHere)
	if err != nil {
		return err
	}
	shared, err := newBareCaller(ctx, nc, js)
	if err != nil {
		return err
	}
	defer shared.close()
	plain, stopPlain, err := plainGRPC(ctx)
	if err != nil {
		return err
	}
	defer stopPlain()
	stopBare, err := h.start(ctx, "-role", "bare", "-pipes", strconv.Itoa(o.pipes))
	if err != nil {
		return err
	}
	stop, err := h.workers(ctx, 1, o.pipes, 0)
	if err != nil {
		return err
	}
	var number atomic.Int64
	unique := func() string { return strconv.FormatInt(number.Add(1), 10) }
	kinds := []kind{
		{"publish, fetch, create, double ack", func(ctx context.Context) error { return bare.sequence(ctx, unique(), true) }},
		{"the same by two processes, with a word", func(ctx context.Context) error { return shared.call(ctx, unique()) }},
		{"the first, its writes gathered as the queue's are", func(ctx context.Context) error { return gathered.sequence(ctx, unique(), true) }},
		{"publish, fetch, ack", func(ctx context.Context) error { return bare.sequence(ctx, unique(), false) }},
		{"a call through the queue", func(ctx context.Context) error { return h.call(ctx, "cost-"+unique()) }},
		{"a plain gRPC call", func(ctx context.Context) error {
			_, err := plain.EmbedImage(jobqueue.WithCall(ctx, jobqueue.Call{Tenant: "load"}), &priorv1.EmbedImageRequest{})
			return err
		}},
	}
	if err := compare(ctx, h, o, kinds); err != nil {
		return err
	}
	return errors.Join(stop(), stopBare())
}

// compare measures all kinds, and prints them beside the first two.
func compare(ctx context.Context, h *house, o options, kinds []kind) error {
	rates := make([]float64, len(kinds))
	took := make([]spent, len(kinds))
	// Turn by turn: what else the machine does meanwhile meets all of them.
	o.seconds = max(o.seconds/costRounds, 1)
	for range costRounds {
		for i, kind := range kinds {
			before := h.processor()
			rate, err := rateOf(ctx, o, kind.do)
			if err != nil {
				return fmt.Errorf("%s: %w", kind.name, err)
			}
			rates[i] += rate / costRounds
			now := h.processor().less(before, rate*float64(o.seconds)*costRounds)
			took[i].caller, took[i].server, took[i].workers = took[i].caller+now.caller, took[i].server+now.server, took[i].workers+now.workers
		}
	}
	fmt.Printf("| | a second, %d at a time | of the first's rate | of the second's | processor time each: caller, server, worker; all | the first's of that | the second's | median, one at a time |\n|---|---|---|---|---|---|---|---|\n", o.pipes)
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	for i, kind := range kinds {
		median, err := medianOf(ctx, kind.do)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		all := ms(took[i].all())
		fmt.Printf("| %s | %.0f | %.2f | %.2f | %.3f, %.3f, %.3f; %.3f ms | %.2f | %.2f | %.2f ms |\n", kind.name, rates[i], rates[i]/rates[0], rates[i]/rates[1],
			ms(took[i].caller), ms(took[i].server), ms(took[i].workers), all, ms(took[0].all())/all, ms(took[1].all())/all, ms(median))
	}
	fmt.Println()
	return nil
}

// costRounds is how often the comparison is gone through.
const costRounds = 5

// rateOf is how often something is done in a second by all pipes.
func rateOf(ctx context.Context, o options, do func(context.Context) error) (float64, error) {
	until := time.Now().Add(time.Duration(o.seconds) * time.Second)
	begun := time.Now()
	var done atomic.Int64
	failed := make(chan error, o.pipes)
	var pipes sync.WaitGroup
	for range o.pipes {
		pipes.Go(func() {
			for time.Now().Before(until) {
				if err := do(ctx); err != nil {
					failed <- err
					return
				}
				done.Add(1)
			}
		})
	}
	pipes.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(done.Load()) / time.Since(begun).Seconds(), nil
	}
}

func medianOf(ctx context.Context, do func(context.Context) error) (time.Duration, error) {
	took := make([]time.Duration, 501)
	for i := range took {
		begun := time.Now()
		if err := do(ctx); err != nil {
			return 0, err
		}
		took[i] = time.Since(begun)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// plainGRPC is the same stage over gRPC on loopback.
func plainGRPC(ctx context.Context) (priorv1.PriorServiceClient, func(), error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("listen: %w", err)
	}
	server := grpc.NewServer()
	priorv1.RegisterPriorServiceServer(server, stage{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		server.Stop()
		serving.Wait()
		return nil, nil, fmt.Errorf("dial: %w", err)
	}
	return priorv1.NewPriorServiceClient(conn), func() {
		_ = conn.Close()
		server.Stop()
		serving.Wait()
	}, nil
}
