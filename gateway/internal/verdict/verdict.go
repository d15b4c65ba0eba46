// Package verdict says who the faces of a result are, and what is wrong with
// them. Pure functions of embeddings and boxes.
package verdict

import (
	"fmt"
	"math"

	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

// Nobody is the index of no person, and of no face.
const Nobody = -1

// Person is a subject as results are compared with it.
type Person struct {
	// Name is for messages.
	Name string
	// Embedding is e_f, unit length.
	Embedding []float32
	// Parts are e_f of the people of a mix, two or more; nil for one person.
	Parts [][]float32
	// Place is where the person was put, pixels of the picture; nil: anywhere.
	Place *imaging.Box
}

// Face is a face that was found in a result.
type Face struct {
	// Box is where it is, pixels of the picture.
	Box imaging.Box
	// Embedding has unit length and as many values as each person's; nil when
	// the face is too small to be compared.
	Embedding []float32
}

// Kind is what is wrong.
type Kind uint8

const (
	// Blended is one face that is close to several people.
	Blended Kind = iota + 1
	// Missing is a person that no face is like.
	Missing
	// Misplaced is a person whose face stands at another's place.
	Misplaced
	// Unlike is a face below the wanted similarity, or nearer to another person
	// than to its own.
	Unlike
)

// Warning is something that is wrong with a result.
type Warning struct {
	// Kind is what is wrong.
	Kind Kind
	// People are those that it is about.
	People []int
	// Face is the face that it is about; Nobody: none.
	Face int
	// Message is one sentence for people.
	Message string
}

// Verdict is what a look at the faces of a result found.
type Verdict struct {
	// Of is the person that each face is; Nobody where it is nobody's.
	Of []int
	// Similarities are the cosines of each face to each person, -1..1; nil for a
	// face that cannot be compared.
	Similarities [][]float64
	// Warnings are what is wrong, by face and then by person; empty when all is
	// well.
	Warnings []Warning
}

// Judge says who the faces are. Each person is at most one face, and the
// assignment is the one with the greatest similarity in all, a face at the
// person's place counting a little more. least is the wanted similarity; -1: any.
func (l Levels) Judge(faces []Face, people []Person, least float64) Verdict {
	v := Verdict{Similarities: make([][]float64, len(faces))}
	for i, f := range faces {
		if f.Embedding == nil {
			continue
		}
		v.Similarities[i] = make([]float64, len(people))
		for j, p := range people {
			v.Similarities[i][j] = tensor.Cosine(f.Embedding, p.Embedding)
		}
	}
	v.Of = assign(len(faces), len(people), func(i, j int) (float64, bool) {
		return l.weight(v.Similarities[i], faces[i], people, j)
	})
	for i, f := range faces {
		if f.Embedding != nil {
			v.blended(i, f, people, l)
		}
	}
	for j := range people {
		v.look(j, faces, people, least, l)
	}
	return v
}

// Similarity is a person's similarity to its face; false when it has none.
func (v Verdict) Similarity(person int) (float64, bool) {
	for i, of := range v.Of {
		if of == person {
			return v.Similarities[i][person], true
		}
	}
	return 0, false
}

// Score is the least similarity of so many people, -1 when one has no face.
func (v Verdict) Score(people int) float64 {
	score := 1.0
	for j := range people {
		s, ok := v.Similarity(j)
		if !ok {
			return -1
		}
		score = min(score, s)
	}
	return score
}

// weight is how well a face would do as person j; false: not at all. Away from
// the person's place only a likeness counts, so that a bystander is not taken
// for a person who is missing.
func (l Levels) weight(similarities []float64, f Face, people []Person, j int) (float64, bool) {
	if similarities == nil {
		return 0, false
	}
	s := similarities[j]
	place := people[j].Place
	switch {
	case place == nil:
		return s, true
	case stands(f.Box, *place):
		return s + l.Place, true
	default:
		return s, s >= l.Stranger
	}
}

// stands tells whether the middle of a face is in a place.
func stands(face, place imaging.Box) bool {
	x, y := face.X+face.W/2, face.Y+face.H/2
	return x >= place.X && x < place.X+place.W && y >= place.Y && y < place.Y+place.H
}

// look adds what is wrong with person j.
func (v *Verdict) look(j int, faces []Face, people []Person, least float64, l Levels) {
	warn := func(kind Kind, face int, others []int, format string, args ...any) {
		v.Warnings = append(v.Warnings, Warning{
			Kind: kind, People: append([]int{j}, others...), Face: face, Message: fmt.Sprintf(format, args...),
		})
	}
	name := people[j].Name
	face := Nobody
	for i, of := range v.Of {
		if of == j {
			face = i
		}
	}
	if face == Nobody {
		warn(Missing, Nobody, nil, "%s is missing: no face of the picture is theirs", name)
		return
	}
	s := v.Similarities[face][j]
	if s < l.Stranger {
		warn(Missing, face, nil, "%s is missing: the face that should be theirs has similarity %.2f, as strangers have", name, s)
		return
	}
	if k := v.placed(faces[face].Box, people, j); k != Nobody {
		warn(Misplaced, face, []int{k}, "%s stands where %s was placed", name, people[k].Name)
	}
	nearest := j
	for k, other := range v.Similarities[face] {
		if other > v.Similarities[face][nearest] {
			nearest = k
		}
	}
	switch {
	case nearest != j:
		warn(Unlike, face, []int{nearest}, "the face of %s is nearer to %s: similarity %.2f to %.2f", name, people[nearest].Name, s, v.Similarities[face][nearest])
	case s < least:
		warn(Unlike, face, nil, "the face of %s has similarity %.2f, below the wanted %.2f", name, s, least)
	}
}

// placed is the other person at whose place a face of person j stands; Nobody
// when it stands at its own, or at none.
func (v *Verdict) placed(face imaging.Box, people []Person, j int) int {
	if people[j].Place == nil || stands(face, *people[j].Place) {
		return Nobody
	}
	nearest, distance := Nobody, math.Inf(1)
	for k, p := range people {
		if k == j || p.Place == nil || !stands(face, *p.Place) {
			continue
		}
		d := math.Hypot(face.X+face.W/2-p.Place.X-p.Place.W/2, face.Y+face.H/2-p.Place.Y-p.Place.H/2)
		if d < distance {
			nearest, distance = k, d
		}
	}
	return nearest
}
