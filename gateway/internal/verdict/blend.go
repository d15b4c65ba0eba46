package verdict

import (
	"fmt"

	"github.com/facestudio/facestudio/services/tensor"
)

// The levels below belong to the face encoder of the bundle facestudio-128.
// Over 476 photos of 60 people that no model saw, two photos of different
// people have similarity 0.029 +- 0.088, of one person 0.317 +- 0.153, and the
// least of 36 results of single people had 0.27 to its own. The people of the
// examples made the results that the shares were set by.
const (
	// stranger is the similarity that a face must have to be like a person:
	// that of strangers and one standard deviation.
	stranger = 0.117
	// placeBonus is what standing at a person's place counts: a standard
	// deviation of strangers, so that the place decides where similarities do
	// not.
	placeBonus = 0.09
	// blendShare is how strong the second person of a face must be against the
	// first for a blend: where as many blends are missed as faces of one person
	// are taken for one.
	blendShare = 0.4
	// alike is the cosine of two people's embeddings from which on a face
	// cannot tell them apart.
	alike = 0.9
)

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
func IsBlend(face, a, b []float32) bool {
	x, y, ok := Shares(face, a, b)
	return ok && min(x, y) >= stranger && min(x, y) >= blendShare*max(x, y)
}

// blended adds a warning when face i is close to several people: its own and
// another, or two parts of a mix.
func (v *Verdict) blended(i int, f Face, people []Person) {
	own := v.Of[i]
	if own == Nobody {
		return
	}
	if parts := people[own].Parts; closeToTwo(f.Embedding, parts) {
		v.Warnings = append(v.Warnings, Warning{
			Kind: Blended, People: []int{own}, Face: i,
			Message: fmt.Sprintf("the face of %s is close to several people of its mix", people[own].Name),
		})
	}
	for k, other := range people {
		if k != own && IsBlend(f.Embedding, people[own].Embedding, other.Embedding) {
			v.Warnings = append(v.Warnings, Warning{
				Kind: Blended, People: []int{own, k}, Face: i,
				Message: fmt.Sprintf("the face of %s is also close to %s: similarity %.2f and %.2f",
					people[own].Name, other.Name, v.Similarities[i][own], v.Similarities[i][k]),
			})
		}
	}
}

func closeToTwo(face []float32, parts [][]float32) bool {
	for i, a := range parts {
		for _, b := range parts[i+1:] {
			if IsBlend(face, a, b) {
				return true
			}
		}
	}
	return false
}
