// Command segmenter-svc serves the segmenter stage over gRPC and the queue.
package main

import (
	"os"

	segmenter "github.com/facestudio/facestudio/segmenter-svc"
	"github.com/facestudio/facestudio/services/worker"
)

func main() { os.Exit(worker.Main("segmenter-svc", segmenter.Build)) }
