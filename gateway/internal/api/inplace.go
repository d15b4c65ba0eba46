package api

import (
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
)

// checkInPlace wants a photo to put the people into. Its background stays, so
// no other one can be asked for, and its heads are made as refined ones are.
func checkInPlace(g *gatewayv1.Generation, _ *bundle.Manifest) error {
	if !g.GetInPlace() {
		return nil
	}
	if g.GetStyle() == nil {
		return fault.InvalidField("in_place", "there is no style picture to put the people into: give the photo as style, or leave in_place out")
	}
	if g.GetRefineFaces() {
		return fault.InvalidField("refine_faces", "in place every head is made alone and upright already: leave refine_faces out, or in_place")
	}
	switch g.GetBackground() {
	case denoiserv1.Background_BACKGROUND_UNSPECIFIED, denoiserv1.Background_BACKGROUND_KEEP:
		return nil
	default:
		return fault.InvalidField("background", "in place everything around the heads stays as it is: leave background out, or in_place")
	}
}
