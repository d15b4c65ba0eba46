// Package paint makes one picture: guidance tokens, sampling with the
// background kept or not, decoding, and the record in its metadata.
package paint

import (
	"github.com/facestudio/facestudio/services/diffusion"
	"github.com/facestudio/facestudio/services/imaging"
)

// Background says what guides the pixels that belong to nobody.
type Background uint8

const (
	// RandomIdentity draws one of the people, once for each picture (paper 3.2).
	RandomIdentity Background = iota
	// Mean takes the mean of all people.
	Mean
	// Keep leaves those pixels as the style picture has them.
	Keep
)

// Person is one person of a picture.
type Person struct {
	// Face is e_f [F]; zeros mean nobody in particular.
	Face []float32
	// Mask [H,W], 0..1, is where the person is; nil means everywhere.
	Mask []float32
	// Alpha weighs Style against Text for this person, 0..1.
	Alpha float32
}

// Job is one picture to make. All of it has been checked.
type Job struct {
	// Seed and Index name the picture's noise.
	Seed  uint64
	Index uint32
	// Width and Height are in pixels.
	Width, Height int
	// Steps is the number of sampling steps from noise alone.
	Steps int
	// Method is the sampler.
	Method diffusion.Method
	// Karras spaces the noise levels as Karras et al.
	Karras bool
	// Strength is how much of the way from noise is made, starting from
	// Picture: the last floor(Strength * Steps) steps, at least one. 0 starts
	// from noise alone.
	Strength float32
	// Scale is that of classifier-free guidance; 1 switches it off.
	Scale float32
	// People has at least one.
	People []Person
	// Style is e_h [D]; nil unless an Alpha is above 0.
	Style []float32
	// Text is e_T [D]; nil unless an Alpha is below 1.
	Text []float32
	// Alpha weighs Style against Text, 0..1, where a person has no own.
	Alpha float32
	// Background says what guides the pixels that belong to nobody.
	Background Background
	// Picture is the style picture of Width x Height; needed by Keep and
	// Strength.
	Picture *imaging.RGB
	// PreviewEvery says after how many steps there is a preview; 0 means none.
	PreviewEvery int
}

// Progress tells how far a picture is.
type Progress struct {
	// Step is how many of the Steps to make were made, from 1.
	Step, Steps int
	// Preview is a small JPEG of the picture as predicted; nil on most steps.
	Preview []byte
}
