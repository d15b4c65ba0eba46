// Command natsd runs the embedded NATS server as a process of its own, for the
// tests of separate services. It prints its URL and ends with SIGTERM.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/facestudio/facestudio/services/jobqueue/embedded"
)

func main() {
	dir := flag.String("dir", "", "folder of the streams")
	listen := flag.String("listen", "127.0.0.1:0", "loopback address")
	flag.Parse()
	if err := run(*dir, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "natsd:", err)
		os.Exit(1)
	}
}

func run(dir, listen string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server, err := embedded.Start(ctx, embedded.Settings{Dir: dir, Listen: listen})
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Println(server.URL())
	<-ctx.Done()
	return nil
}
