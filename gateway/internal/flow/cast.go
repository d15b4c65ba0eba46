package flow

import (
	"cmp"
	"slices"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
)

const (
	// maxPeople is how many people the stages serve, as their protos say.
	maxPeople = 8
	// minShare is how large a face must be to be one of a picture's people, in
	// widths of its largest face: smaller ones are passers-by.
	minShare = 0.35
)

// role is one person of the picture.
type role struct {
	// subject is an index in the subjects; mask.Nobody: the person keeps the
	// look of the style picture without an identity.
	subject int
	// person is an index in the style picture's people; mask.Nobody: none of
	// them.
	person int
	// box is where the person is, in the style picture as it was sent or,
	// without one, on the canvas.
	box imaging.Box
	// face is the person's in the style picture; nil when it shows none.
	face *mediav1.Face
	// source is where mask is from.
	source gatewayv1.MaskSource
	// own is what the caller gave; nil when source is not the caller.
	own *ownMask
	// mask is where the person is on the canvas; nil: everywhere.
	mask *mediav1.Picture
	// rest says that it is no person but what is left of the canvas.
	rest bool
}

// cast is who is in the picture, from left to right, so that the order of the
// subjects does not matter.
type cast []role

// placements tells who went where.
func (c cast) placements() []*gatewayv1.PlacedPerson {
	out := make([]*gatewayv1.PlacedPerson, 0, len(c))
	index := func(i int) *int32 {
		if i == mask.Nobody {
			return nil
		}
		return new(int32(i))
	}
	for _, r := range c {
		if r.rest {
			continue
		}
		placed := &gatewayv1.PlacedPerson{Subject: index(r.subject), Person: index(r.person), MaskSource: r.source}
		if r.face != nil {
			placed.Yaw = r.face.Yaw
		}
		if r.box.W > 0 && r.box.H > 0 {
			placed.Box = boxMessage(r.box)
		}
		out = append(out, placed)
	}
	return out
}

// peopleOf are the people of a picture among the faces that were found in it,
// the largest first: those that are not too small, from left to right.
func peopleOf(faces []*mediav1.Face) []*mediav1.Face {
	var people []*mediav1.Face
	for _, face := range faces {
		if len(people) < maxPeople && face.GetBox().GetWidth() >= minShare*faces[0].GetBox().GetWidth() {
			people = append(people, face)
		}
	}
	slices.SortStableFunc(people, func(a, b *mediav1.Face) int {
		return cmp.Compare(centreOf(a.GetBox()), centreOf(b.GetBox()))
	})
	return people
}

func centreOf(b *mediav1.Box) float32 { return b.GetX() + b.GetWidth()/2 }

// castOf gives the people of the style picture, whose faces are from left to
// right, to the subjects. Those that are left over are nobody's.
func castOf(subjects []*gatewayv1.GenerationSubject, own []*ownMask, faces []*mediav1.Face) (cast, error) {
	boxes := make([]imaging.Box, len(faces))
	for i, face := range faces {
		boxes[i] = boxOf(face.GetBox())
	}
	places := make([]mask.Place, len(subjects))
	for i, subject := range subjects {
		places[i] = placeOf(subject.GetAt(), own[i])
	}
	bound, err := mask.Bind(places, boxes)
	if err != nil {
		return nil, err
	}
	var all cast
	taken := make([]bool, len(faces))
	for i, person := range bound {
		r := role{subject: i, person: person, source: gatewayv1.MaskSource_MASK_SOURCE_SEGMENTER, own: own[i]}
		if own[i] != nil {
			r.source, r.box = gatewayv1.MaskSource_MASK_SOURCE_CALLER, own[i].bounds()
		}
		if person != mask.Nobody {
			taken[person], r.box, r.face = true, boxes[person], faces[person]
		}
		all = append(all, r)
	}
	for person, face := range boxes {
		if !taken[person] && !covered(own, face) {
			all = append(all, role{subject: mask.Nobody, person: person, box: face, face: faces[person], source: gatewayv1.MaskSource_MASK_SOURCE_SEGMENTER})
		}
	}
	return all.fromTheLeft(), nil
}

// fromTheLeft puts the roles into the order of their places.
func (c cast) fromTheLeft() cast {
	slices.SortStableFunc(c, func(a, b role) int {
		return cmp.Or(cmp.Compare(a.box.X+a.box.W/2, b.box.X+b.box.W/2), cmp.Compare(a.box.Y, b.box.Y))
	})
	return c
}

func covered(own []*ownMask, face imaging.Box) bool {
	return slices.ContainsFunc(own, func(m *ownMask) bool {
		return m != nil && m.covers(imaging.Point{X: face.X + face.W/2, Y: face.Y + face.H/2})
	})
}

// placeOf is where a subject wants to be in the style picture.
func placeOf(at *gatewayv1.Placement, own *ownMask) mask.Place {
	switch where := at.GetWhere().(type) {
	case *gatewayv1.Placement_Person:
		return mask.Place{Person: new(int(where.Person))}
	case *gatewayv1.Placement_Point:
		return mask.Place{Point: &imaging.Point{X: float64(where.Point.GetX()), Y: float64(where.Point.GetY())}}
	case *gatewayv1.Placement_Box:
		return mask.Place{Box: new(boxOf(where.Box))}
	case *gatewayv1.Placement_Mask:
		return mask.Place{Covers: own.covers}
	default:
		return mask.Place{}
	}
}

func boxOf(b *mediav1.Box) imaging.Box {
	return imaging.Box{X: float64(b.GetX()), Y: float64(b.GetY()), W: float64(b.GetWidth()), H: float64(b.GetHeight())}
}

func boxMessage(b imaging.Box) *mediav1.Box {
	return &mediav1.Box{X: float32(b.X), Y: float32(b.Y), Width: float32(b.W), Height: float32(b.H)}
}
