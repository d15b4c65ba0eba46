// Command prior-svc is the prior service with the drivers of cloud services.
package main

import (
	"os"

	_ "github.com/facestudio/facestudio/cloud" // s3://, awskms://
	prior "github.com/facestudio/facestudio/prior-svc"
	"github.com/facestudio/facestudio/services/worker"
)

func main() { os.Exit(worker.Main("prior-svc", prior.Build)) }
