// Package doctor looks whether this machine can run the mesh, and says what to
// do where it cannot.
package doctor

import (
	"context"

	"github.com/facestudio/facestudio/cli/mesh"
	"github.com/facestudio/facestudio/services/worker"
)

// Status is how a check ended.
type Status string

// The statuses.
const (
	// OK is fine.
	OK Status = "ok"
	// Warn works, but not as well as it could.
	Warn Status = "warn"
	// Fail keeps the mesh from working.
	Fail Status = "fail"
)

// Finding is the outcome of one check.
type Finding struct {
	// Check names what was looked at.
	Check string `json:"check"`
	// Status says how it is.
	Status Status `json:"status"`
	// Detail says what was found.
	Detail string `json:"detail"`
	// Advice says what to do; empty when nothing is to be done.
	Advice string `json:"advice,omitempty"`
}

// Settings says what to look at.
type Settings struct {
	// Mesh is the configuration that is to work.
	Mesh mesh.Config
	// Shared, with NATSURL set, is a NATS server to look at too.
	Shared worker.Mesh
}

// Examine makes all checks, in the order in which a start would fail.
func Examine(ctx context.Context, s Settings) []Finding {
	var out []Finding
	out = append(out, models(s.Mesh.Models)...)
	out = append(out, openBundle(s.Mesh.Shared))
	out = append(out, disk(s.Mesh.DataDir))
	out = append(out, embeddedNATS(ctx))
	if s.Shared.NATSURL != "" {
		out = append(out, natsServer(ctx, s.Shared))
	}
	return append(out, listen(ctx, s.Mesh.RPC.Listen))
}

// Healthy tells whether no check failed.
func Healthy(findings []Finding) bool {
	for _, f := range findings {
		if f.Status == Fail {
			return false
		}
	}
	return true
}
