// Command natsd is a nats-server as a process of its own, for the tests of
// separate services: the embedded one in a folder, or with -config one of a
// cluster. It prints its URL and ends with SIGTERM.
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

	"github.com/nats-io/nats-server/v2/server"

	"github.com/facestudio/facestudio/services/jobqueue/embedded"
)

func main() {
	dir := flag.String("dir", "", "folder of the streams")
	listen := flag.String("listen", "127.0.0.1:0", "loopback address")
	config := flag.String("config", "", "configuration of a nats-server, instead of the embedded one")
	flag.Parse()
	if err := run(*config, embedded.Settings{Dir: *dir, Listen: *listen}); err != nil {
		fmt.Fprintln(os.Stderr, "natsd:", err)
		os.Exit(1)
	}
}

func run(config string, s embedded.Settings) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if config != "" {
		return serve(ctx, config)
	}
	started, err := embedded.Start(ctx, s)
	if err != nil {
		return err
	}
	defer started.Close()
	fmt.Println(started.URL())
	<-ctx.Done()
	return nil
}

// serve is what the nats-server program does with -c.
func serve(ctx context.Context, config string) error {
	opts, err := server.ProcessConfigFile(config)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	opts.NoSigs = true
	srv, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("configure NATS: %w", err)
	}
	srv.ConfigureLogger()
	srv.Start()
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	// The library has no signal for it but a bounded wait.
	for !srv.ReadyForConnections(10 * time.Millisecond) {
		if !srv.Running() || ctx.Err() != nil {
			return errors.New("the server does not serve")
		}
	}
	fmt.Println("nats://" + srv.Addr().String())
	<-ctx.Done()
	return nil
}
