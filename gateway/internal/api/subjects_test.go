package api_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

func at(p *gatewayv1.Placement) func(*gatewayv1.Generation) {
	return func(g *gatewayv1.Generation) { g.Subjects[0].At = p }
}

func person(n int32) *gatewayv1.Placement {
	return &gatewayv1.Placement{Where: &gatewayv1.Placement_Person{Person: n}}
}

func point(x, y float32) *gatewayv1.Placement {
	return &gatewayv1.Placement{Where: &gatewayv1.Placement_Point{Point: &mediav1.Point{X: x, Y: y}}}
}

func box(x, y, w, h float32) *gatewayv1.Placement {
	return &gatewayv1.Placement{Where: &gatewayv1.Placement_Box{Box: &mediav1.Box{X: x, Y: y, Width: w, Height: h}}}
}

func unstyled(change func(*gatewayv1.Generation)) func(*gatewayv1.Generation) {
	return func(g *gatewayv1.Generation) { g.Style, g.Alpha = nil, nil; change(g) }
}

// mixed makes the first subject a mix of two with the given weights.
func mixed(weights ...float32) func(*gatewayv1.Generation) {
	return func(g *gatewayv1.Generation) {
		s := g.GetSubjects()[0]
		for _, w := range weights {
			s.Mix = append(s.Mix, &gatewayv1.MixPart{Photos: s.GetPhotos(), Weight: w})
		}
		s.Photos = nil
	}
}

func both(changes ...func(*gatewayv1.Generation)) func(*gatewayv1.Generation) {
	return func(g *gatewayv1.Generation) {
		for _, change := range changes {
			change(g)
		}
	}
}

func TestBadSubjectsAreRefused(t *testing.T) {
	const invalid = faultv1.Reason_REASON_INVALID_FIELD
	nan := float32(math.NaN())
	photos := func(g *gatewayv1.Generation) []*mediav1.Picture { return g.GetSubjects()[0].GetPhotos() }
	people := func(n int) func(*gatewayv1.Generation) {
		return func(g *gatewayv1.Generation) { g.Subjects = slices.Repeat(g.GetSubjects(), n) }
	}
	tests := map[string]struct {
		change func(*gatewayv1.Generation)
		field  string
		reason faultv1.Reason
	}{
		"photos and enrolled":     {func(g *gatewayv1.Generation) { g.Subjects[0].Subject = "subjects/ada" }, "subjects[0].subject", invalid},
		"a name that is a path":   {func(g *gatewayv1.Generation) { g.Subjects[0].Photos, g.Subjects[0].Subject = nil, "../ada" }, "subjects[0].subject", invalid},
		"photos and a mix":        {both(mixed(1, 1), func(g *gatewayv1.Generation) { g.Subjects[0].Photos = photos(request(t)) }), "subjects[0].mix", invalid},
		"enrolled and a mix":      {both(mixed(1, 1), func(g *gatewayv1.Generation) { g.Subjects[0].Subject = "subjects/ada" }), "subjects[0].mix", invalid},
		"a mix of one":            {mixed(1), "subjects[0].mix", invalid},
		"a mix of nine":           {mixed(1, 1, 1, 1, 1, 1, 1, 1, 1), "subjects[0].mix", invalid},
		"a weight of 0":           {mixed(1, 0), "subjects[0].mix[1].weight", invalid},
		"a negative weight":       {mixed(-1, 2), "subjects[0].mix[0].weight", invalid},
		"a weight that is none":   {mixed(1, nan), "subjects[0].mix[1].weight", invalid},
		"a part without photos":   {both(mixed(1, 1), func(g *gatewayv1.Generation) { g.Subjects[0].Mix[1].Photos = nil }), "subjects[0].mix[1].photos", invalid},
		"a part of 33 photos":     {both(mixed(1, 1), func(g *gatewayv1.Generation) { g.Subjects[0].Mix[1].Photos = make([]*mediav1.Picture, 33) }), "subjects[0].mix[1].photos", invalid},
		"a part with a long name": {both(mixed(1, 1), func(g *gatewayv1.Generation) { g.Subjects[0].Mix[0].Name = strings.Repeat("a", 64) }), "subjects[0].mix[0].name", invalid},
		"a part that is no photo": {
			both(mixed(1, 1), func(g *gatewayv1.Generation) {
				g.Subjects[0].Mix[1].Photos = []*mediav1.Picture{inline([]byte("hello, this is a text"))}
			}),
			"subjects[0].mix[1].photos[0]", faultv1.Reason_REASON_UNSUPPORTED_IMAGE,
		},
		"own alpha 2":               {func(g *gatewayv1.Generation) { g.Subjects[0].Alpha = new(float32(2)) }, "subjects[0].alpha", invalid},
		"own alpha without a style": {unstyled(func(g *gatewayv1.Generation) { g.Subjects[0].Alpha = new(float32(1)) }), "subjects[0].alpha", invalid},
		"person -1":                 {at(person(-1)), "subjects[0].at", faultv1.Reason_REASON_UNKNOWN_PERSON},
		"a point that is none":      {at(point(nan, 1)), "subjects[0].at.point", invalid},
		"a box without a width":     {at(box(1, 1, 0, 1)), "subjects[0].at.box", invalid},
		"an endless box":            {at(box(1, 1, float32(math.Inf(1)), 1)), "subjects[0].at.box", invalid},
		"a mask that is none": {
			at(&gatewayv1.Placement{Where: &gatewayv1.Placement_Mask{Mask: inline([]byte("hello, this is a text"))}}),
			"subjects[0].at.mask", faultv1.Reason_REASON_UNSUPPORTED_IMAGE,
		},
		"a person without a style":       {unstyled(at(person(0))), "subjects[0].at.person", invalid},
		"a point without a style":        {unstyled(at(point(5, 5))), "subjects[0].at.point", invalid},
		"an empty place without a style": {unstyled(at(new(gatewayv1.Placement))), "subjects[0].at", invalid},
		"two without style and places":   {unstyled(people(2)), "subjects[0].at", invalid},
		"eight people on 64 pixels":      {both(people(8), func(g *gatewayv1.Generation) { g.Width, g.Height = new(int32(64)), new(int32(64)) }), "width", faultv1.Reason_REASON_CANVAS_TOO_SMALL},
		"a photo of the second is no one": {both(people(2), func(g *gatewayv1.Generation) {
			g.Subjects[1] = &gatewayv1.GenerationSubject{Photos: []*mediav1.Picture{inline(nil)}}
		}), "subjects[1].photos[0]", faultv1.Reason_REASON_UNSUPPORTED_IMAGE},
	}
	h := open(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := request(t)
			test.change(g)
			h.refused(t, &gatewayv1.CreateGenerationRequest{Generation: g}, test.reason, test.field)
		})
	}
}

func TestGoodSubjects(t *testing.T) {
	tests := map[string]func(*gatewayv1.Generation){
		"two":                        func(g *gatewayv1.Generation) { g.Subjects = slices.Repeat(g.GetSubjects(), 2) },
		"enrolled":                   func(g *gatewayv1.Generation) { g.Subjects[0].Photos, g.Subjects[0].Subject = nil, "subjects/ada" },
		"a mix that sums to 5":       mixed(2, 3),
		"placed on a person":         at(person(7)),
		"placed by a point":          at(point(5, 5)),
		"placed by a box, no style":  unstyled(at(box(0, 0, 64, 64))),
		"own alpha between the both": func(g *gatewayv1.Generation) { g.Subjects[0].Alpha = new(float32(0.25)) },
		"strength":                   func(g *gatewayv1.Generation) { g.Strength = new(float32(0.5)) },
	}
	h := open(t)
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			g := request(t)
			change(g)
			created, err := h.service.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: g})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range created.GetSubjects()[0].GetMix() {
				if p.GetPhotos()[0].GetBlob() == nil {
					t.Error("a photo of the mix is kept inline")
				}
			}
		})
	}
}
