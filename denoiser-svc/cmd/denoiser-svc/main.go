// Command denoiser-svc serves the denoiser stage over gRPC and the queue.
package main

import (
	"os"

	denoiser "github.com/facestudio/facestudio/denoiser-svc"
	"github.com/facestudio/facestudio/services/worker"
)

func main() { os.Exit(worker.Main("denoiser-svc", denoiser.Build)) }
