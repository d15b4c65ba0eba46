// Command denoiser-svc is the denoiser service with the drivers of cloud services.
package main

import (
	"os"

	_ "github.com/facestudio/facestudio/cloud" // s3://, awskms://
	denoiser "github.com/facestudio/facestudio/denoiser-svc"
	"github.com/facestudio/facestudio/services/worker"
)

func main() { os.Exit(worker.Main("denoiser-svc", denoiser.Build)) }
