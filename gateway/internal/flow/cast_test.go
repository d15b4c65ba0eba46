package flow_test

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
)

// crowd makes the style picture show three people, listed by size, of whom the
// largest is in the middle.
func crowd(f *fixture, g *gatewayv1.Generation) {
	f.style(g, 1)
	f.detectFaces = func(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
		return &encoderv1.DetectFacesResponse{
			Faces: []*mediav1.Face{face(96, 100, 2), face(176, 110, 1.8), face(16, 110, 1.6)}, Width: 256, Height: 256,
		}, nil
	}
	g.Width, g.Height = new(int32(96)), new(int32(32))
}

// people makes the subjects ada, bob, cyn and so on, each with an axis of its
// own as embedding.
func people(f *fixture, g *gatewayv1.Generation, at ...*gatewayv1.Placement) {
	names := []string{"ada", "bob", "cyn", "dan"}
	g.Subjects = nil
	for i, p := range at {
		g.Subjects = append(g.Subjects, &gatewayv1.GenerationSubject{
			Name: names[i], Photos: []*mediav1.Picture{inline(names[i])}, At: p,
		})
	}
	f.embedFaces = func(_ context.Context, req *encoderv1.EmbedFacesRequest) (*encoderv1.EmbedFacesResponse, error) {
		response := new(encoderv1.EmbedFacesResponse)
		for _, photo := range req.GetPhotos() {
			response.Faces = append(response.Faces, &encoderv1.EmbeddedFace{Embedding: axis(slices.Index(names, string(photo.GetData())))})
		}
		return response, nil
	}
	f.embedAllFaces = func(context.Context, *encoderv1.EmbedAllFacesRequest) (*encoderv1.EmbedAllFacesResponse, error) {
		return new(encoderv1.EmbedAllFacesResponse), nil
	}
}

func axis(i int) *mediav1.Tensor {
	v := make([]float32, 4)
	if i >= 0 {
		v[i] = 1
	}
	return vector(0, v...)
}

func toPerson(n int32) *gatewayv1.Placement {
	return &gatewayv1.Placement{Where: &gatewayv1.Placement_Person{Person: n}}
}

func toPoint(x, y float32) *gatewayv1.Placement {
	return &gatewayv1.Placement{Where: &gatewayv1.Placement_Point{Point: &mediav1.Point{X: x, Y: y}}}
}

func toBox(x, y, w, h float32) *gatewayv1.Placement {
	return &gatewayv1.Placement{Where: &gatewayv1.Placement_Box{Box: &mediav1.Box{X: x, Y: y, Width: w, Height: h}}}
}

func toMask(p *mediav1.Picture) *gatewayv1.Placement {
	return &gatewayv1.Placement{Where: &gatewayv1.Placement_Mask{Mask: p}}
}

// who lists the axes of the identities' embeddings, -1 for nobody's.
func who(req *denoiserv1.DenoiseRequest) []int {
	var out []int
	for _, identity := range req.GetIdentities() {
		at := -1
		if m := identity.GetFaceEmbedding(); m != nil {
			t, err := tensor.FromProto(m)
			if err != nil {
				panic(err)
			}
			at = slices.Index(t.Data, 1)
		}
		out = append(out, at)
	}
	return out
}

func TestWhoTheSubjectsBecome(t *testing.T) {
	tests := map[string]struct {
		at   []*gatewayv1.Placement
		want []int
		kept bool
	}{
		"left to right":       {at: []*gatewayv1.Placement{nil, nil, nil}, want: []int{0, 1, 2}},
		"fewer":               {at: []*gatewayv1.Placement{nil, nil}, want: []int{0, 1, -1}},
		"one of three":        {at: []*gatewayv1.Placement{toPerson(1)}, want: []int{-1, 0, -1}},
		"by point and index":  {at: []*gatewayv1.Placement{toPoint(200, 140), toPerson(0)}, want: []int{1, -1, 0}},
		"by box, others room": {at: []*gatewayv1.Placement{nil, toBox(0, 100, 60, 100)}, want: []int{1, 0, -1}},
		"kept":                {at: []*gatewayv1.Placement{toPerson(2), toPerson(0)}, want: []int{1, 0}, kept: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, g := open(t), request()
			crowd(f, g)
			people(f, g, test.at...)
			if test.kept {
				keep(g)
			}
			result, err := f.run(t.Context(), g)
			if err != nil {
				t.Fatal(err)
			}
			sent := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")[0]
			if got := who(sent); !slices.Equal(got, test.want) {
				t.Errorf("the identities are %v, want %v", got, test.want)
			}
			for i, identity := range sent.GetIdentities() {
				if identity.GetMask() == nil {
					t.Errorf("identity %d has no mask", i)
				}
			}
			equal(t, "people that are segmented", len(requestsOf[*segmenterv1.SegmentPeopleRequest](f.stages, "SegmentPeople")[0].GetFaces()), 3)
			equal(t, "placements", len(result.Placements), len(test.want))
			for i, p := range result.Placements {
				equal(t, "a subject", p.Subject != nil, test.want[i] >= 0)
				if p.Subject != nil {
					equal(t, "subject", int(p.GetSubject()), test.want[i])
				}
				equal(t, "mask source", p.GetMaskSource(), gatewayv1.MaskSource_MASK_SOURCE_SEGMENTER)
				if !test.kept {
					equal(t, "person", int(p.GetPerson()), i)
				}
				if p.GetBox().GetWidth() <= 0 {
					t.Error("it is not told where the person is")
				}
			}
		})
	}
}

// The order of subjects whose places are told does not matter to the denoiser.
func TestOrderOfSubjectsDoesNotMatter(t *testing.T) {
	var first *denoiserv1.DenoiseRequest
	order := []int32{2, 0, 1}
	for range order {
		f, g := open(t), request()
		crowd(f, g)
		people(f, g, toPerson(0), toPerson(1), toPerson(2))
		was := g.GetSubjects()
		g.Subjects = []*gatewayv1.GenerationSubject{was[order[0]], was[order[1]], was[order[2]]}
		if _, err := f.run(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		sent := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")[0]
		if first == nil {
			first = sent
		}
		if !proto.Equal(first, sent) {
			t.Errorf("in the order %v the denoiser is asked for something else", order)
		}
		order = append(order[1:], order[0])
	}
}

func TestEverybodyIsInView(t *testing.T) {
	f, g := open(t), request()
	crowd(f, g)
	people(f, g, nil, nil, nil)
	if _, err := f.run(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	faces := requestsOf[*segmenterv1.SegmentPeopleRequest](f.stages, "SegmentPeople")[0].GetFaces()
	for i, b := range faces {
		if d := b.GetWidth() - b.GetHeight(); d > 0.01 || d < -0.01 {
			t.Errorf("face %d is stretched: %v", i, b)
		}
		if b.GetX() < 1 || b.GetX()+b.GetWidth() > 95 || b.GetY() < 1 || b.GetY()+b.GetHeight() > 31 {
			t.Errorf("face %d is cut: %v", i, b)
		}
		if i > 0 && b.GetX() <= faces[i-1].GetX() {
			t.Error("the people are not from left to right")
		}
	}
	// Portraits of 32 pixels, the canvas' height, have faces of 16.
	if w := faces[1].GetWidth(); w < 12 || w > 20 {
		t.Errorf("a face is %g pixels wide, want about 16", w)
	}
}

func TestMasksOfTheCallersOwn(t *testing.T) {
	f, g := open(t), request()
	crowd(f, g)
	// The second covers the rightmost person, whose face is from 190 to 219.
	people(f, g, nil, toMask(column(256, 256, 160, 256)))
	result, err := f.run(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	sent := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")[0]
	if got := who(sent); !slices.Equal(got, []int{0, -1, 1}) {
		t.Errorf("the identities are %v", got)
	}
	equal(t, "segmented", len(requestsOf[*segmenterv1.SegmentPeopleRequest](f.stages, "SegmentPeople")[0].GetFaces()), 2)
	equal(t, "mask source", result.Placements[2].GetMaskSource(), gatewayv1.MaskSource_MASK_SOURCE_CALLER)
	sums := make([]int, 96*32)
	for _, identity := range sent.GetIdentities() {
		m, err := imaging.DecodeGray(identity.GetMask().GetData(), imaging.Limits{MinSide: 1})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range m.Pix {
			sums[i] += int(v)
		}
	}
	if most := slices.Max(sums); most > 255 {
		t.Errorf("the masks sum to %d", most)
	}
}

func TestPlacesOnTheCanvas(t *testing.T) {
	f, g := open(t), request()
	g.Width, g.Height = new(int32(64)), new(int32(32))
	people(f, g, toBox(32, 0, 32, 32), toMask(column(64, 32, 0, 32)))
	result, err := f.run(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	sent := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")[0]
	if got := who(sent); !slices.Equal(got, []int{1, 0}) {
		t.Errorf("the identities are %v", got)
	}
	equal(t, "mask source", result.Placements[0].GetMaskSource(), gatewayv1.MaskSource_MASK_SOURCE_CALLER)
	equal(t, "mask source", result.Placements[1].GetMaskSource(), gatewayv1.MaskSource_MASK_SOURCE_BOX)
	m, err := imaging.DecodeGray(sent.GetIdentities()[1].GetMask().GetData(), imaging.Limits{MinSide: 1})
	if err != nil {
		t.Fatal(err)
	}
	if m.Pix[0] != 0 || m.Pix[63] != 255 || m.Pix[31] == 0 || m.Pix[31] == 255 {
		t.Errorf("the box's mask is %v", m.Pix[:64])
	}
}

// A single person's place means something only when the rest is nobody's.
func TestOnePersonsPlaceOnTheCanvas(t *testing.T) {
	f, g := open(t), request()
	g.Width, g.Height = new(int32(64)), new(int32(32))
	people(f, g, toBox(32, 0, 32, 32))
	result, err := f.run(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	sent := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")[0]
	if got := who(sent); !slices.Equal(got, []int{0, -1}) {
		t.Errorf("the identities are %v", got)
	}
	equal(t, "placements", len(result.Placements), 1)
	var both [2]*imaging.Gray
	for i := range both {
		if both[i], err = imaging.DecodeGray(sent.GetIdentities()[i].GetMask().GetData(), imaging.Limits{MinSide: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range both[0].Pix {
		if int(v)+int(both[1].Pix[i]) != 255 {
			t.Fatalf("at %d the two masks sum to %d", i, int(v)+int(both[1].Pix[i]))
		}
	}
}

func TestPlacesThatCannotBe(t *testing.T) {
	const invalid = faultv1.Reason_REASON_INVALID_FIELD
	tests := map[string]struct {
		at     []*gatewayv1.Placement
		change func(*fixture, *gatewayv1.Generation)
		reason faultv1.Reason
		field  string
	}{
		"four of three":             {at: make([]*gatewayv1.Placement, 4), reason: faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, field: "subjects"},
		"person 5 of 3":             {at: []*gatewayv1.Placement{nil, toPerson(5)}, reason: faultv1.Reason_REASON_UNKNOWN_PERSON, field: "subjects[1].at"},
		"the same person twice":     {at: []*gatewayv1.Placement{toPerson(1), toPoint(120, 130)}, reason: faultv1.Reason_REASON_PERSON_TAKEN, field: "subjects[1].at"},
		"a mask of another size":    {at: []*gatewayv1.Placement{toMask(column(64, 64, 0, 64))}, reason: invalid, field: "subjects[0].at.mask"},
		"an empty mask":             {at: []*gatewayv1.Placement{nil, toMask(column(256, 256, 0, 0))}, reason: invalid, field: "subjects[1].at.mask"},
		"masks that overlap":        {at: []*gatewayv1.Placement{toMask(column(256, 256, 0, 100)), toMask(column(256, 256, 90, 200))}, reason: invalid, field: "subjects[1].at.mask"},
		"a mask that is no picture": {at: []*gatewayv1.Placement{toMask(inline("mask"))}, reason: faultv1.Reason_REASON_UNSUPPORTED_IMAGE, field: "subjects[0].at.mask"},
		"nobody in the picture": {
			at: make([]*gatewayv1.Placement, 2), change: func(f *fixture, _ *gatewayv1.Generation) { f.detectFaces = noFaces },
			reason: faultv1.Reason_REASON_NO_FACE_FOUND, field: "style",
		},
		"a box beside the canvas": {
			at: []*gatewayv1.Placement{toBox(0, 0, 20, 20), toBox(500, 0, 20, 20)}, change: func(_ *fixture, g *gatewayv1.Generation) { g.Style, g.Alpha = nil, new(float32(0)) },
			reason: invalid, field: "subjects[1].at.box",
		},
		"faces of a few pixels": {
			at: make([]*gatewayv1.Placement, 3), change: func(_ *fixture, g *gatewayv1.Generation) { g.Width, g.Height = new(int32(32)), new(int32(32)) },
			reason: faultv1.Reason_REASON_FACE_TOO_SMALL, field: "style",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, g := open(t), request()
			crowd(f, g)
			people(f, g, test.at...)
			if test.change != nil {
				test.change(f, g)
			}
			_, err := f.run(t.Context(), g)
			got := fault.From(err)
			if got == nil {
				t.Fatal("no error")
			}
			equal(t, "reason", got.Reason, test.reason)
			equal(t, "field", got.Field, test.field)
		})
	}
}

func TestMixesAndPhotosAndOwnAlphas(t *testing.T) {
	f, g := open(t), request()
	crowd(f, g)
	people(f, g, nil, nil)
	g.Subjects[0] = &gatewayv1.GenerationSubject{Mix: []*gatewayv1.MixPart{
		{Photos: []*mediav1.Picture{inline("ada")}, Weight: 3}, {Photos: []*mediav1.Picture{inline("bob")}, Weight: 4},
	}}
	g.Subjects[1] = &gatewayv1.GenerationSubject{
		Photos: []*mediav1.Picture{inline("cyn"), inline("dan"), inline("cyn")}, Alpha: new(float32(0.25)),
	}
	result, err := f.run(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	sent := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")[0]
	mix, err := tensor.FromProto(sent.GetIdentities()[0].GetFaceEmbedding())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{0.6, 0.8, 0, 0} {
		if d := mix.Data[i] - want; d > 1e-6 || d < -1e-6 {
			t.Errorf("the mix is %v", mix.Data)
		}
	}
	if got := who(sent); got[1] != 2 {
		t.Errorf("the second person is axis %d, want 2: the photo of somebody else counts", got[1])
	}
	equal(t, "own alpha", sent.GetIdentities()[1].GetAlpha(), 0.25)
	equal(t, "alpha of the others", sent.GetIdentities()[0].Alpha == nil, true)
	if sent.GetTextImageEmbedding() == nil || sent.GetImageEmbedding() == nil {
		t.Error("a branch that an alpha needs is missing")
	}
	fields := []string{"subjects[0].mix[0].photos[0]", "subjects[0].mix[1].photos[0]", "subjects[1].photos[0]", "subjects[1].photos[1]", "subjects[1].photos[2]"}
	equal(t, "verdicts", len(result.Verdicts), len(fields))
	for i, v := range result.Verdicts {
		equal(t, "photo", v.GetPhoto(), fields[i])
		equal(t, "used", v.GetUsed(), i != 3)
	}
	odd := result.Verdicts[3]
	equal(t, "reason", odd.GetFault().GetReason(), faultv1.Reason_REASON_NOT_SAME_PERSON)
	equal(t, "similarity", odd.GetFigures().GetSimilarity(), 0)
}

func TestUnknownSubject(t *testing.T) {
	f, g := open(t), request()
	g.Subjects[0] = &gatewayv1.GenerationSubject{Subject: "subjects/nobody"}
	_, err := f.run(t.Context(), g)
	got := fault.From(err)
	if got == nil || got.Reason != faultv1.Reason_REASON_UNKNOWN_SUBJECT || got.Field != "subjects[0].subject" {
		t.Errorf("got %+v", got)
	}
}
