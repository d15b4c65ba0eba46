// Command encoder-svc is the encoder service with the drivers of cloud services.
package main

import (
	"os"

	_ "github.com/facestudio/facestudio/cloud" // s3://, awskms://
	encoder "github.com/facestudio/facestudio/encoder-svc"
	"github.com/facestudio/facestudio/services/worker"
)

func main() { os.Exit(worker.Main("encoder-svc", encoder.Build)) }
