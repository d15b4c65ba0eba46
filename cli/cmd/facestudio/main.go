// Command facestudio makes pictures of a person, runs the mesh, and looks after
// it.
package main

import (
	"os"

	"github.com/facestudio/facestudio/cli/internal/command"
)

func main() { os.Exit(command.Main()) }
