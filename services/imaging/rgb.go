// Package imaging reads pictures from strangers safely and prepares them for
// models: bounded decoding, upright orientation, resizing, alignment by
// landmarks, and encoding with metadata. Positions are in pixel indices: the
// centre of the first pixel is (0, 0).
package imaging

import (
	"image"

	"github.com/facestudio/facestudio/services/tensor"
)

// RGB is an upright 8-bit sRGB picture.
type RGB struct {
	// W and H are width and height in pixels.
	W, H int
	// Pix holds three bytes a pixel, R G B, rows from the top.
	Pix []uint8
}

// NewRGB returns a black picture.
func NewRGB(w, h int) *RGB {
	return &RGB{W: w, H: h, Pix: make([]uint8, 3*w*h)}
}

// At returns the pixel in column x of row y.
func (p *RGB) At(x, y int) [3]uint8 {
	return [3]uint8(p.Pix[3*(y*p.W+x):])
}

// Clone returns a copy that shares nothing with p.
func (p *RGB) Clone() *RGB {
	return &RGB{W: p.W, H: p.H, Pix: append([]uint8(nil), p.Pix...)}
}

// Tensor returns the picture as model input [1,3,H,W]: (v/255 - mean) / std
// for each channel.
func (p *RGB) Tensor(mean, std [3]float32) *tensor.Tensor {
	t := tensor.New(1, 3, int64(p.H), int64(p.W))
	p.Plane(t.Data, mean, std)
	return t
}

// Plane writes the picture as [3,H,W] to dst, which has 3*H*W elements, as
// Tensor does; so pictures of one size can share a batch.
func (p *RGB) Plane(dst []float32, mean, std [3]float32) {
	area := p.W * p.H
	for c := range 3 {
		plane := dst[c*area : (c+1)*area]
		for i := range plane {
			plane[i] = (float32(p.Pix[3*i+c])/255 - mean[c]) / std[c]
		}
	}
}

// FromTensor returns picture i of a model's output [B,3,H,W]: the inverse of
// Tensor, rounded and clamped to 0..255. Undefined values become 0.
func FromTensor(t *tensor.Tensor, i int, mean, std [3]float32) *RGB {
	row := t.Row(i)
	p := NewRGB(int(row.Dim(2)), int(row.Dim(1)))
	area := p.W * p.H
	for c := range 3 {
		for j, v := range row.Data[c*area : (c+1)*area] {
			p.Pix[3*j+c] = level((v*std[c] + mean[c]) * 255)
		}
	}
	return p
}

// level rounds v to the nearest of 0..255; NaN becomes 0.
func level(v float32) uint8 {
	if !(v > 0) {
		return 0
	}
	if v >= 255 {
		return 255
	}
	return uint8(v + 0.5)
}

// nrgba returns the picture for the standard library's encoders.
func (p *RGB) nrgba() *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, p.W, p.H))
	for i := range p.W * p.H {
		img.Pix[4*i], img.Pix[4*i+1], img.Pix[4*i+2], img.Pix[4*i+3] = p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2], 255
	}
	return img
}

// Gray is an 8-bit greyscale picture, for example a mask.
type Gray struct {
	// W and H are width and height in pixels.
	W, H int
	// Pix holds one byte a pixel, rows from the top.
	Pix []uint8
}

// NewGray returns a black picture.
func NewGray(w, h int) *Gray {
	return &Gray{W: w, H: h, Pix: make([]uint8, w*h)}
}

// Floats returns the levels as 0..1, [H,W].
func (g *Gray) Floats() []float32 {
	out := make([]float32, len(g.Pix))
	for i, v := range g.Pix {
		out[i] = float32(v) / 255
	}
	return out
}

// GrayFrom returns a picture of w*h values 0..1, rounded and clamped.
func GrayFrom(values []float32, w, h int) *Gray {
	g := NewGray(w, h)
	for i, v := range values[:w*h] {
		g.Pix[i] = level(v * 255)
	}
	return g
}
