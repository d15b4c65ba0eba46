// Command load measures the queue: many calls through it and whether all are
// answered, what it costs beside the bare exchanges with NATS and beside plain
// gRPC, and how it scales with workers. It prints tables of Markdown and, with
// -plot, writes the scaling as an SVG.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	calls    int
	waiting  int
	pipes    int
	seconds  int
	replicas int
	sleep    time.Duration
	url      string
	role     string
	plot     string
	only     string
}

func main() {
	var o options
	flag.IntVar(&o.calls, "calls", 100_000, "calls through the queue")
	flag.IntVar(&o.waiting, "waiting", 2000, "calls that wait at the same time")
	flag.IntVar(&o.pipes, "pipes", 16, "exchanges at the same time where costs are compared, and slots of the worker")
	flag.IntVar(&o.seconds, "seconds", 5, "how long each comparison runs")
	flag.StringVar(&o.plot, "plot", "", "file of the plot of the scaling; empty: none")
	flag.StringVar(&o.only, "only", "", "throughput, costs or scaling: measure nothing else; empty: all of them")
	flag.StringVar(&o.role, "role", "", "be a worker, the bare worker or the server: used by the program itself")
	flag.StringVar(&o.url, "nats", "", "NATS server of the worker, folder of the server")
	flag.IntVar(&o.replicas, "replicas", 1, "replicas of the worker")
	flag.DurationVar(&o.sleep, "sleep", 0, "how long the worker's stage takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := measure
	switch o.role {
	case "worker":
		do = work
	case "bare":
		do = bareWork
	case "server":
		do = serve
	}
	if err := do(ctx, o); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be undone
	}
}

// measure runs everything and prints what it found.
func measure(ctx context.Context, o options) error {
	h, err := openHouse(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	for _, part := range []struct {
		name string
		run  func(context.Context, *house, options) error
	}{{"throughput", throughput}, {"costs", costs}, {"scaling", scaling}} {
		if o.only != "" && o.only != part.name {
			continue
		}
		if err := part.run(ctx, h, o); err != nil {
			return err
		}
	}
	return nil
}
