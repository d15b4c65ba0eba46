package verdict

import (
	"fmt"

	"github.com/facestudio/facestudio/services/tensor"
)

// alike is the cosine of two people's embeddings from which on a face cannot
// tell them apart.
const alike = 0.9

// Shares are how strong two people are in a face: the x and y for which x*a +
// y*b is nearest to the face, so that a likeness of the two people to each other
// counts for neither. a, b and the face have unit length:
//
//	[1 r; r 1] [x y]' = [face.a face.b]', r = a.b
//
// It is false when a and b are too alike to be told apart.
func Shares(face, a, b []float32) (x, y float64, ok bool) {
	r := tensor.Cosine(a, b)
	if r > alike || r < -alike {
		return 0, 0, false
	}
	p, q := tensor.Cosine(face, a), tensor.Cosine(face, b)
	d := 1 - r*r
	return (p - r*q) / d, (q - r*p) / d, true
}

// IsBlend tells whether a face is close to both of two people.
func (l Levels) IsBlend(face, a, b []float32) bool {
	x, y, ok := Shares(face, a, b)
	return ok && min(x, y) >= l.Stranger && min(x, y) >= l.Blend*max(x, y)
}

// blended adds a warning when face i is close to several people: its own and
// another, or two parts of a mix.
func (v *Verdict) blended(i int, f Face, people []Person, l Levels) {
	own := v.Of[i]
	if own == Nobody {
		return
	}
	if parts := people[own].Parts; l.closeToTwo(f.Embedding, parts) {
		v.Warnings = append(v.Warnings, Warning{
			Kind: Blended, People: []int{own}, Face: i,
			Message: fmt.Sprintf("the face of %s is close to several people of its mix", people[own].Name),
		})
	}
	for k, other := range people {
		if k != own && l.IsBlend(f.Embedding, people[own].Embedding, other.Embedding) {
			v.Warnings = append(v.Warnings, Warning{
				Kind: Blended, People: []int{own, k}, Face: i,
				Message: fmt.Sprintf("the face of %s is also close to %s: similarity %.2f and %.2f",
					people[own].Name, other.Name, v.Similarities[i][own], v.Similarities[i][k]),
			})
		}
	}
}

func (l Levels) closeToTwo(face []float32, parts [][]float32) bool {
	for i, a := range parts {
		for _, b := range parts[i+1:] {
			if l.IsBlend(face, a, b) {
				return true
			}
		}
	}
	return false
}
