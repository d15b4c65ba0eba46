package api

import (
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
)

// Limits of tries; they stand in the proto.
const (
	maxBestOf    = 8
	maxTries     = 8
	defaultTries = 3
	// maxFirstIndex leaves room for the tries in the 16 bits that a person has of
	// the noise's index.
	maxFirstIndex = 65_000
)

// checkTries checks what is tried for a picture, of which noise, and the format that it gets.
func checkTries(g *gatewayv1.Generation, _ *bundle.Manifest) error {
	if n := g.GetBestOf(); g.BestOf != nil && (n < 1 || n > maxBestOf) {
		return fault.InvalidField("best_of", "it must be 1 (no choice) to %d pictures made for each one, not %d", maxBestOf, n)
	}
	// Also false for NaN.
	if s := g.GetMinSimilarity(); g.MinSimilarity != nil && !(s >= -1 && s <= 1) {
		return fault.InvalidField("min_similarity", "a similarity is -1 to 1, not %g", s)
	}
	if n := g.GetMaxTries(); g.MaxTries != nil {
		if g.MinSimilarity == nil {
			return fault.InvalidField("max_tries", "there are new tries only below a min_similarity: give one, or leave max_tries out")
		}
		if n < 1 || n > maxTries {
			return fault.InvalidField("max_tries", "it must be 1 to %d, not %d", maxTries, n)
		}
	}
	if n := g.GetFirstIndex(); n < 0 || n > maxFirstIndex {
		return fault.InvalidField("first_index", "it must be 0 to %d, not %d", maxFirstIndex, n)
	}
	if _, ok := gatewayv1.OutputFormat_name[int32(g.GetOutputFormat())]; !ok {
		return fault.InvalidField("output_format", "it is none of PNG, JPEG and WEBP")
	}
	return nil
}

// fillTries sets what the caller left to the server.
func fillTries(g *gatewayv1.Generation) {
	setDefault(&g.BestOf, 1)
	if g.MinSimilarity != nil {
		setDefault(&g.MaxTries, defaultTries)
	}
	if g.GetOutputFormat() == gatewayv1.OutputFormat_OUTPUT_FORMAT_UNSPECIFIED {
		g.OutputFormat = gatewayv1.OutputFormat_OUTPUT_FORMAT_PNG
	}
}
