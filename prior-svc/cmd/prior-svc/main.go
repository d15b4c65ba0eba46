// Command prior-svc serves the prior stage over gRPC and the queue.
package main

import (
	"os"

	prior "github.com/facestudio/facestudio/prior-svc"
	"github.com/facestudio/facestudio/services/worker"
)

func main() { os.Exit(worker.Main("prior-svc", prior.Build)) }
