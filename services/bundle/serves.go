package bundle

import (
	"slices"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Serves fails with BUNDLE_MISMATCH when a request means another bundle. It
// takes the digest that the request has; empty means whichever is served.
func (b *Bundle) Serves(digest string) error {
	if digest == "" || digest == b.digest {
		return nil
	}
	return fault.New(fault.Precondition, faultv1.Reason_REASON_BUNDLE_MISMATCH, "bundle",
		"this worker serves bundle %s (%s), not %s: send the work to a worker of that bundle", b.ID(), b.Manifest.Name, digest)
}

// Batching says how many elements a graph may be given at once without the
// result of one depending, in its last bits, on the others.
type Batching struct {
	// Max is how many elements one run may take.
	Max int
	// Min is how many it must take at least: 2 where a batch of one differs
	// from larger ones, so that a single element is given twice.
	Min int
}

// Batching returns how to batch the graph of a role; limit bounds Max for the
// memory's sake.
func (m *Manifest) Batching(role Role, limit int) Batching {
	switch {
	case !m.BatchInvariant[string(role)]:
		return Batching{Max: 1, Min: 1}
	case slices.Contains(m.BatchOneDiffers, string(role)):
		return Batching{Max: max(limit, 2), Min: 2}
	default:
		return Batching{Max: max(limit, 1), Min: 1}
	}
}
