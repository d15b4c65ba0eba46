package detect

import (
	"math"

	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

// Letterbox is how a picture lies in the network's square: scaled by Scale,
// its corner at (Left, Top).
type Letterbox struct {
	Scale     float64
	Left, Top int
}

// letterbox puts a picture of any size and aspect into the network's square:
// its longer side becomes size/pad, and it lies in the middle.
func (d *Detector) letterbox(p *imaging.RGB, pad float64) (*tensor.Tensor, Letterbox) {
	in := d.spec.Input
	scale := float64(in.Size) / (pad * float64(max(p.W, p.H)))
	// Rounding of halves to even is as in training.
	w := max(1, int(math.RoundToEven(float64(p.W)*scale)))
	h := max(1, int(math.RoundToEven(float64(p.H)*scale)))
	small := imaging.Resize(p, w, h)
	left, top := (in.Size-w)/2, (in.Size-h)/2

	area := in.Size * in.Size
	data := make([]float32, 3*area)
	for c := range 3 {
		// The place of pixel i of this channel is at*i + offset.
		at, offset := 3, c
		if in.Layout == "nchw" {
			at, offset = 1, c*area
		}
		level := func(v uint8) float32 { return (float32(v)/255 - in.Mean[c]) / in.Std[c] }
		fill := level(uint8(in.Fill))
		for i := range area {
			data[at*i+offset] = fill
		}
		for y := range h {
			for x := range w {
				data[at*((y+top)*in.Size+x+left)+offset] = level(small.Pix[3*(y*w+x)+c])
			}
		}
	}
	size := int64(in.Size)
	shape := []int64{1, size, size, 3}
	if in.Layout == "nchw" {
		shape = []int64{1, 3, size, size}
	}
	return &tensor.Tensor{Shape: shape, Data: data}, Letterbox{Scale: scale, Left: left, Top: top}
}

// crop copies a part of the picture.
func crop(p *imaging.RGB, x, y, w, h int) *imaging.RGB {
	part := imaging.NewRGB(w, h)
	for row := range h {
		copy(part.Pix[3*row*w:3*(row+1)*w], p.Pix[3*((y+row)*p.W+x):])
	}
	return part
}
