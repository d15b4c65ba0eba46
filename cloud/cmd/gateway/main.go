// Command gateway is the gateway with the drivers of cloud services.
package main

import (
	"os"

	_ "github.com/facestudio/facestudio/cloud" // s3://, awskms://
	"github.com/facestudio/facestudio/gateway"
	"github.com/facestudio/facestudio/services/worker"
)

func main() {
	var p gateway.Program
	os.Exit(worker.Program("gateway", &p, p.Run))
}
