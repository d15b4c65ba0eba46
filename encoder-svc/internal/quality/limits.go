package quality

import (
	"math"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// What a photo must show at least to enrol a person by it. They were set on 476
// photos of 60 people that the default bundle was not trained with, 128 pixels a
// side, and on copies of them that were spoilt; the comments tell which share of
// each is refused.
const (
	// MinSharpness is the least sharpness. Good photos 0 % (their least is 0.46);
	// blurred by a Gaussian of sigma 1 pixel 1 %, 1.5 29 %, 2 81 %, 3 100 %;
	// shaken along 5 pixels 16 %, 9 93 %, 15 100 %.
	MinSharpness = 0.4
	// MinBrightness is the least brightness. Good photos 0 % (their least is
	// 0.39); two stops underexposed 0 %, three 6 %, four 66 %, five 100 %.
	MinBrightness = 0.2
	// MaxYaw is the furthest turn to either side, degrees. Good photos 0.4 % (2 of 476);
	// beyond 40 degrees the similarity to a person's other photos is 0.29 in the
	// median, and 0.54 within 5.
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
