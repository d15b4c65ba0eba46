// Command gateway serves the public API and works on generations.
package main

import (
	"os"

	"github.com/facestudio/facestudio/gateway"
	"github.com/facestudio/facestudio/services/worker"
)

func main() {
	var p gateway.Program
	os.Exit(worker.Program("gateway", &p, p.Run))
}
