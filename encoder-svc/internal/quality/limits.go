package quality

import (
	"math"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// What a photo must show at least to enrol a person by it.
const (
	// MinSharpness is the least sharpness.
	MinSharpness = 0.3
	// MinBrightness is the least brightness.
	MinBrightness = 0.2
	// MaxYaw is the furthest turn to either side, degrees.
	MaxYaw = 45
)

// Check refuses a face that is blurred (FACE_BLURRED), too dark
// (FACE_TOO_DARK) or turned away (FACE_TURNED_AWAY), in this order, with the
// figure. A yaw that is not known is no reason.
func Check(f Figures) error {
	refuse := func(reason faultv1.Reason, format string, args ...any) error {
		return fault.New(fault.Invalid, reason, "", format, args...)
	}
	switch {
	case f.Sharpness < MinSharpness:
		return refuse(faultv1.Reason_REASON_FACE_BLURRED,
			"the face is blurred: its sharpness is %.2f, at least %.2f is needed: send a sharper photo", f.Sharpness, MinSharpness)
	case f.Brightness < MinBrightness:
		return refuse(faultv1.Reason_REASON_FACE_TOO_DARK,
			"the face is too dark: its brightness is %.2f, at least %.2f is needed: send a photo with more light on the face", f.Brightness, MinBrightness)
	case math.Abs(f.Yaw) > MaxYaw:
		return refuse(faultv1.Reason_REASON_FACE_TURNED_AWAY,
			"the face is turned away by about %.0f degrees, at most %d are possible: send a photo from the front", math.Abs(f.Yaw), MaxYaw)
	}
	return nil
}
