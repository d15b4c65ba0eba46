// Command encoder-svc serves the encoder stage over gRPC and the queue.
package main

import (
	"os"

	encoder "github.com/facestudio/facestudio/encoder-svc"
	"github.com/facestudio/facestudio/services/worker"
)

func main() { os.Exit(worker.Main("encoder-svc", encoder.Build)) }
