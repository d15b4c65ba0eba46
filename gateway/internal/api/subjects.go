package api

import (
	"fmt"
	"math"
	"regexp"
	"unicode/utf8"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
)

// minCells is how many cells of the latents, along each side, a person needs.
const minCells = 4

var subjectPattern = regexp.MustCompile(`^subjects/[A-Za-z0-9._-]{1,128}$`)

// checkSubjects checks who is to be shown and where.
func checkSubjects(g *gatewayv1.Generation, _ *bundle.Manifest) error {
	switch n := len(g.GetSubjects()); {
	case n == 0:
		return fault.InvalidField("subjects", "nobody is to be shown: give one subject with at least one photo")
	case n > maxSubjects:
		return fault.New(fault.Invalid, faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, "subjects",
			"there are %d subjects, at most %d are shown: leave some out; several photos of one person are several photos of one subject", n, maxSubjects)
	}
	for i, subject := range g.GetSubjects() {
		at := fmt.Sprintf("subjects[%d]", i)
		if err := checkWho(at, subject); err != nil {
			return err
		}
		if err := checkName(at, subject.GetName()); err != nil {
			return err
		}
		if err := checkPlace(at+".at", subject.GetAt(), g); err != nil {
			return err
		}
	}
	return nil
}

// checkWho wants exactly one of photos, an enrolled subject, and a mix.
func checkWho(at string, subject *gatewayv1.GenerationSubject) error {
	mix := subject.GetMix()
	if len(mix) == 0 {
		return checkPerson(at, subject.GetPhotos(), subject.GetSubject())
	}
	if len(subject.GetPhotos()) > 0 || subject.GetSubject() != "" {
		return fault.InvalidField(at+".mix", "the subject is a mix and a person of its own: give only one of photos, subject and mix")
	}
	if n := len(mix); n < minMix || n > maxSubjects {
		return fault.InvalidField(at+".mix", "it has %d people: mix %d to %d, or give the photos of one", n, minMix, maxSubjects)
	}
	for k, part := range mix {
		of := fmt.Sprintf("%s.mix[%d]", at, k)
		if err := checkPerson(of, part.GetPhotos(), part.GetSubject()); err != nil {
			return err
		}
		if err := checkName(of, part.GetName()); err != nil {
			return err
		}
		if w := float64(part.GetWeight()); !(w > 0) || math.IsInf(w, 0) {
			return fault.InvalidField(of+".weight", "%v is no weight: give one above 0; the weights are divided by their sum, so they need not sum to 1", part.GetWeight())
		}
	}
	return nil
}

// checkPerson wants a person's photos, or the name of an enrolled one.
func checkPerson(at string, photos []*mediav1.Picture, enrolled string) error {
	switch n := len(photos); {
	case enrolled != "" && n > 0:
		return fault.InvalidField(at+".subject", "the subject is enrolled and has photos: give only one of the two")
	case enrolled != "":
		if !subjectPattern.MatchString(enrolled) {
			return fault.InvalidField(at+".subject", "%.80q is no name of an enrolled subject: write subjects/{subject}", enrolled)
		}
	case n == 0:
		return fault.InvalidField(at+".photos", "the subject has no photo: give at least one with the whole face in view")
	case n > maxPhotos:
		return fault.InvalidField(at+".photos", "there are %d photos, at most %d are used: leave some out", n, maxPhotos)
	}
	return nil
}

func checkName(at, name string) error {
	if utf8.RuneCountInString(name) > maxName {
		return fault.InvalidField(at+".name", "the name is longer than %d characters: shorten it", maxName)
	}
	return nil
}

// checkPlace checks a placement as far as no picture need be looked at.
func checkPlace(field string, at *gatewayv1.Placement, g *gatewayv1.Generation) error {
	style := g.GetStyle() != nil
	switch where := at.GetWhere().(type) {
	case nil:
		if !style && (at != nil || len(g.GetSubjects()) > 1) {
			return fault.InvalidField(field, "without a style picture nothing says where the %d subjects stand: give each a box or a mask on the canvas, or give style", len(g.GetSubjects()))
		}
	case *gatewayv1.Placement_Person:
		if !style {
			return fault.InvalidField(field+".person", "there is no style picture whose person %d it could be: give a box or a mask on the canvas, or give style", where.Person)
		}
		if where.Person < 0 {
			return fault.New(fault.Invalid, faultv1.Reason_REASON_UNKNOWN_PERSON, field,
				"there is no person %d: the leftmost is 0", where.Person)
		}
	case *gatewayv1.Placement_Point:
		if !style {
			return fault.InvalidField(field+".point", "there is no style picture with a person at the point: give a box or a mask on the canvas, or give style")
		}
		if !finite(where.Point.GetX(), where.Point.GetY()) {
			return fault.InvalidField(field+".point", "it is no point: give pixels from the left and top edge")
		}
	case *gatewayv1.Placement_Box:
		b := where.Box
		if !finite(b.GetX(), b.GetY(), b.GetWidth(), b.GetHeight()) || !(b.GetWidth() > 0 && b.GetHeight() > 0) {
			return fault.InvalidField(field+".box", "it is no box: give its left and top edge, and a width and a height above 0, in pixels")
		}
	case *gatewayv1.Placement_Mask:
		// takePictures looks at it.
	}
	return nil
}

func finite(values ...float32) bool {
	for _, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}

// checkRoom refuses more people than a canvas has room for.
func checkRoom(g *gatewayv1.Generation, m *bundle.Manifest) error {
	w, h := m.Canvas.Default, m.Canvas.Default
	if g.Width != nil {
		w = int(g.GetWidth())
	}
	if g.Height != nil {
		h = int(g.GetHeight())
	}
	side := minCells * m.Latent.Factor
	if n := len(g.GetSubjects()); n > 1 && !g.GetInPlace() && n*side*side > w*h {
		return fault.New(fault.Invalid, faultv1.Reason_REASON_CANVAS_TOO_SMALL, "width",
			"%d people do not fit on %d x %d pixels, each needs about %d x %d: ask for a larger picture, at most %d a side, or for fewer people", n, w, h, side, side, m.Canvas.Max)
	}
	return nil
}
