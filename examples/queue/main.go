// Command queue shows services/jobqueue as a library of its own: durable gRPC
// between processes that come and go. It runs a NATS server, starts a worker,
// calls it, kills the worker (-9) in the middle of the call, starts another, and
// gets the answer; then it makes the call once more and is answered from what was
// recorded.
//
//	go run ./examples/queue
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	nats := flag.String("worker", "", "be a worker of this NATS server: used by the program itself")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	do := show
	if *nats != "" {
		do = func(ctx context.Context) error { return work(ctx, *nats) }
	}
	if err := do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "queue:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be undone
	}
}
