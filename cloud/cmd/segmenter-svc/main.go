// Command segmenter-svc is the segmenter service with the drivers of cloud services.
package main

import (
	"os"

	_ "github.com/facestudio/facestudio/cloud" // s3://, awskms://
	segmenter "github.com/facestudio/facestudio/segmenter-svc"
	"github.com/facestudio/facestudio/services/worker"
)

func main() { os.Exit(worker.Main("segmenter-svc", segmenter.Build)) }
