package face_test

import (
	"testing"

	"github.com/facestudio/facestudio/encoder-svc/internal/detect"
	"github.com/facestudio/facestudio/encoder-svc/internal/face"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
)

func TestChoose(t *testing.T) {
	wide := func(side float64) detect.Face { return detect.Face{Box: imaging.Box{W: side, H: side}} }
	for name, test := range map[string]struct {
		faces   []detect.Face
		largest bool
		want    faultv1.Reason
	}{
		"one":                   {[]detect.Face{wide(70)}, false, 0},
		"none":                  {nil, true, faultv1.Reason_REASON_NO_FACE_FOUND},
		"too small":             {[]detect.Face{wide(20)}, true, faultv1.Reason_REASON_FACE_TOO_SMALL},
		"several":               {[]detect.Face{wide(70), wide(60)}, false, faultv1.Reason_REASON_SEVERAL_FACES_FOUND},
		"largest of several":    {[]detect.Face{wide(70), wide(60)}, true, 0},
		"passers-by":            {[]detect.Face{wide(70), wide(20)}, false, 0},
		"several too small":     {[]detect.Face{wide(20), wide(20)}, false, faultv1.Reason_REASON_FACE_TOO_SMALL},
		"as small as it may be": {[]detect.Face{wide(face.MinSide)}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := face.Choose(test.faces, test.largest)
			if test.want == 0 {
				if err != nil || got.Box != test.faces[0].Box {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if fault.From(err).Reason != test.want {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}
