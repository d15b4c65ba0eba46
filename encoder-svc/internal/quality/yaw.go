package quality

import (
	"math"

	"github.com/facestudio/facestudio/services/imaging"
)

// noseDepth is how far the tip of the nose stands before the line through the
// middles of the eyes, in units of the distance between these.
const noseDepth = 0.6

// Yaw estimates how far a head is turned to its own left, degrees, -90..90,
// from the points right_eye, left_eye and nose; NaN when one is missing or the
// eyes coincide. Turned by y, seen from afar, the eyes are d cos(y) apart and
// the tip of the nose moves from their middle by noseDepth d sin(y), so that
//
//	tan(y) = s / noseDepth
//
// where s is that shift along the line of the eyes in units of their distance.
func Yaw(landmarks map[string]imaging.Point) float64 {
	right, okRight := landmarks["right_eye"]
	left, okLeft := landmarks["left_eye"]
	nose, okNose := landmarks["nose"]
	dx, dy := left.X-right.X, left.Y-right.Y
	distance := dx*dx + dy*dy
	if !okRight || !okLeft || !okNose || !(distance > 0) {
		return math.NaN()
	}
	mx, my := (left.X+right.X)/2, (left.Y+right.Y)/2
	shift := ((nose.X-mx)*dx + (nose.Y-my)*dy) / distance
	return math.Atan(shift/noseDepth) * 180 / math.Pi
}
