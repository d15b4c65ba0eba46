package quality

import "slices"

// brightShare is the share of a face's pixels that are brighter than its
// brightness.
const brightShare = 0.1

// Brightness returns the level that a tenth of the values exceed, 0..1. It is
// not their mean, which says as much of the skin as of the light: in good light
// dark skin too has bright pixels.
func Brightness(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(float64(len(sorted)-1)*(1-brightShare)+0.5)]
}
