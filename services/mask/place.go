package mask

import (
	"fmt"
	"math"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
)

// Nobody is the index of no person.
const Nobody = -1

// reach is how far from a face's middle a point may be to mean that person, in
// widths of the face: a person's body is below it, within about as much.
const reach = 3

// Place is where a subject is wanted in a picture of people. At most one of its
// fields is set; none means wherever is room, from left to right.
type Place struct {
	// Person is an index in the people.
	Person *int
	// Point is a point on the person.
	Point *imaging.Point
	// Box is around the person or its face.
	Box *imaging.Box
	// Covers tells what the subject's own mask covers. With a mask of its own a
	// subject need not be one of the people.
	Covers func(imaging.Point) bool
}

// Bind returns the index of each subject's person, given the people's faces from
// left to right: the places that are told first, then the other subjects in
// their order, each on the first person that is left. It is Nobody for a
// subject whose own mask covers no face. Faults name the field
// "subjects[i].at", or "subjects" when there are more than people.
func Bind(places []Place, faces []imaging.Box) ([]int, error) {
	bound := make([]int, len(places))
	owner := make([]int, len(faces))
	for n := range owner {
		owner[n] = Nobody
	}
	var waiting []int
	for i, place := range places {
		person, told, err := place.find(i, faces)
		if err != nil {
			return nil, err
		}
		if !told {
			waiting = append(waiting, i)
			continue
		}
		bound[i] = person
		if person == Nobody {
			continue
		}
		if owner[person] != Nobody {
			return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_PERSON_TAKEN, fieldAt(i),
				"person %d is subjects[%d] already: place one of the two on another person", person, owner[person])
		}
		owner[person] = i
	}
	var room []int
	for n, o := range owner {
		if o == Nobody && !covered(places, middle(faces[n])) {
			room = append(room, n)
		}
	}
	if len(waiting) > len(room) {
		return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, "subjects",
			"there are %d subjects, but the style picture shows %d people: give fewer subjects, a style picture with more people, or a mask for each further subject", len(places), len(faces))
	}
	for k, i := range waiting {
		bound[i] = room[k]
	}
	return bound, nil
}

// find returns the person that a place tells; false when it tells none.
func (p Place) find(subject int, faces []imaging.Box) (person int, told bool, err error) {
	switch {
	case p.Person != nil:
		person = *p.Person
		if person < 0 || person >= len(faces) {
			return 0, false, unknown(subject, len(faces), fmt.Sprintf("there is no person %d", person))
		}
		return person, true, nil
	case p.Point != nil:
		if person = nearest(*p.Point, faces); person == Nobody {
			return 0, false, unknown(subject, len(faces), "no visible face is near the point")
		}
		return person, true, nil
	case p.Box != nil:
		if person = within(*p.Box, faces); person == Nobody {
			return 0, false, unknown(subject, len(faces), "the box covers no visible face")
		}
		return person, true, nil
	case p.Covers != nil:
		person, largest := Nobody, 0.0
		for n, face := range faces {
			if area := face.W * face.H; p.Covers(middle(face)) && area > largest {
				person, largest = n, area
			}
		}
		return person, true, nil
	default:
		return 0, false, nil
	}
}

func fieldAt(subject int) string { return fmt.Sprintf("subjects[%d].at", subject) }

func unknown(subject, people int, what string) error {
	return fault.New(fault.Invalid, faultv1.Reason_REASON_UNKNOWN_PERSON, fieldAt(subject),
		"%s: the style picture shows %s; name one of them, point at a face, or give a mask", what, count(people))
}

func count(people int) string {
	switch people {
	case 0:
		return "no face"
	case 1:
		return "one face, person 0"
	default:
		return fmt.Sprintf("%d faces, persons 0 to %d from the left", people, people-1)
	}
}

// nearest is the face that a point is in or, in none, that it is nearest to;
// Nobody when all are out of reach.
func nearest(p imaging.Point, faces []imaging.Box) int {
	person, least := Nobody, math.Inf(1)
	for n, face := range faces {
		m := middle(face)
		away := math.Hypot(p.X-m.X, p.Y-m.Y)
		inside := p.X >= face.X && p.X < face.X+face.W && p.Y >= face.Y && p.Y < face.Y+face.H
		if !inside {
			if away > reach*max(face.W, face.H) {
				continue
			}
			// Any face that the point is in comes first.
			away += 1e9
		}
		if away < least {
			person, least = n, away
		}
	}
	return person
}

// within is the face of which a box covers the largest share, at least a half,
// the largest of those that it covers alike; else Nobody.
func within(b imaging.Box, faces []imaging.Box) int {
	person, most, largest := Nobody, 0.0, 0.0
	for n, face := range faces {
		w := min(b.X+b.W, face.X+face.W) - max(b.X, face.X)
		h := min(b.Y+b.H, face.Y+face.H) - max(b.Y, face.Y)
		if w <= 0 || h <= 0 {
			continue
		}
		area := face.W * face.H
		share := w * h / area
		// A box around a face is seldom exactly the detector's.
		if 2*w*h < min(area, b.W*b.H) {
			continue
		}
		if share > most || (share == most && area > largest) {
			person, most, largest = n, share, area
		}
	}
	return person
}

func middle(b imaging.Box) imaging.Point { return imaging.Point{X: b.X + b.W/2, Y: b.Y + b.H/2} }

func covered(places []Place, p imaging.Point) bool {
	for _, place := range places {
		if place.Covers != nil && place.Covers(p) {
			return true
		}
	}
	return false
}
