package sheet

import (
	"image"

	"github.com/facestudio/facestudio/services/imaging"
)

// Decode reads an encoded picture as the mesh does: within its limits, upright
// by EXIF. The errors are faults without a field.
func Decode(data []byte) (image.Image, error) {
	p, err := imaging.Decode(data, imaging.Limits{MinSide: 1})
	if err != nil {
		return nil, err
	}
	out := image.NewRGBA(image.Rect(0, 0, p.W, p.H))
	for i := range p.W * p.H {
		copy(out.Pix[4*i:], p.Pix[3*i:3*i+3])
		out.Pix[4*i+3] = 0xff
	}
	return out, nil
}
