package e2e_test

import (
	"bytes"
	"image"
	"slices"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// place puts subject i of two into the picture of two.
func place(i int, at *gatewayv1.Placement) func(*gatewayv1.Generation) {
	return func(g *gatewayv1.Generation) { two(g); g.Subjects[i].At = at }
}

func index(n int32) *gatewayv1.Placement {
	return &gatewayv1.Placement{Where: &gatewayv1.Placement_Person{Person: n}}
}

func ownMask(data []byte) *gatewayv1.Placement {
	return &gatewayv1.Placement{Where: &gatewayv1.Placement_Mask{Mask: inline(data)}}
}

func TestBadPeople(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	const invalid = faultv1.Reason_REASON_INVALID_FIELD
	subjects := gatewayv1.NewSubjectServiceClient(conn)
	enrolled, err := subjects.CreateSubject(t.Context(), enrolling(example(t, "amara")))
	if err != nil {
		t.Fatal(err)
	}
	deleted := func() {
		if _, err := subjects.DeleteSubject(t.Context(), &gatewayv1.DeleteSubjectRequest{Name: enrolled.GetName()}); err != nil {
			t.Error(err)
		}
	}
	both := func(changes ...func(*gatewayv1.Generation)) func(*gatewayv1.Generation) {
		return func(g *gatewayv1.Generation) {
			for _, change := range changes {
				change(g)
			}
		}
	}
	tests := []struct {
		name   string
		change func(*gatewayv1.Generation)
		reason faultv1.Reason
		field  string
		early  bool
	}{
		{"three people for two", both(two, func(g *gatewayv1.Generation) {
			g.Subjects = append(g.Subjects, g.Subjects[1])
			g.Height = new(int32(64))
		}), faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, "subjects", false},
		{"nine people", both(two, func(g *gatewayv1.Generation) { g.Subjects = slices.Repeat(g.Subjects, 5) }), faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, "subjects", true},
		{"eight people on 64 pixels", both(two, func(g *gatewayv1.Generation) { g.Subjects = slices.Repeat(g.Subjects, 4); g.Height = new(int32(64)) }), faultv1.Reason_REASON_CANVAS_TOO_SMALL, "width", true},
		{"nobody in the style picture", both(two, withStyle(mustPNG(canvas(256, 128, nil)))), faultv1.Reason_REASON_NO_FACE_FOUND, style, false},
		{"a person without a visible face", place(0, &gatewayv1.Placement{Where: &gatewayv1.Placement_Point{Point: &mediav1.Point{X: 1000, Y: 64}}}), faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[0].at", false},
		{"person 5 of 2", place(1, index(5)), faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[1].at", false},
		{"the same person twice", place(1, index(1)), faultv1.Reason_REASON_PERSON_TAKEN, "subjects[1].at", false},
		{"a mask of another size", place(1, ownMask(maskOf(64, 64, image.Rect(0, 0, 32, 64)))), invalid, "subjects[1].at.mask", false},
		{"an empty mask", place(1, ownMask(maskOf(256, 128, image.Rectangle{}))), invalid, "subjects[1].at.mask", false},
		{"a mask of text", place(1, ownMask([]byte("hello, this is a text"))), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, "subjects[1].at.mask", true},
		{"masks that overlap", both(
			place(0, ownMask(maskOf(256, 128, image.Rect(100, 0, 256, 128)))),
			func(g *gatewayv1.Generation) {
				g.Subjects[1].At = ownMask(maskOf(256, 128, image.Rect(0, 0, 140, 128)))
			},
		), invalid, "subjects[1].at.mask", false},
		{"places without a style", both(two, prompted, unstyled), invalid, "subjects[0].at.point", true},
		{"a box beside the canvas", both(two, prompted, onTheCanvas, func(g *gatewayv1.Generation) { g.Subjects[0].At.GetBox().X = 99 }), invalid, "subjects[0].at.box", false},
		{"a weight of 0", both(mixed, func(g *gatewayv1.Generation) { g.Subjects[0].Mix[1].Weight = 0 }), invalid, "subjects[0].mix[1].weight", true},
		{"a mix of one", both(mixed, func(g *gatewayv1.Generation) { g.Subjects[0].Mix = g.Subjects[0].Mix[:1] }), invalid, "subjects[0].mix", true},
		{"no face in the mix", both(mixed, func(g *gatewayv1.Generation) { g.Subjects[0].Mix[1].Photos[0] = inline(mustPNG(canvas(128, 128, nil))) }), faultv1.Reason_REASON_NO_FACE_FOUND, "subjects[0].mix[1].photos[0]", false},
		{"a second photo of 100 bytes", both(two, func(g *gatewayv1.Generation) {
			g.Subjects[1].Photos = []*mediav1.Picture{inline(mustExample("mei")[:100])}
		}), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, "subjects[1].photos[0]", true},
		{"own alpha without a prompt", both(two, func(g *gatewayv1.Generation) { g.Subjects[0].Alpha = new(float32(0.5)) }), invalid, "subjects[0].alpha", true},
		{"a height above the canvas", both(two, func(g *gatewayv1.Generation) { g.Height = new(int32(4096)) }), invalid, "height", true},
		{"strength 0", func(g *gatewayv1.Generation) { g.Strength = new(float32(0)) }, invalid, "strength", true},
		{"strength without a style", both(prompted, unstyled, func(g *gatewayv1.Generation) { g.Strength = new(float32(0.5)) }), invalid, "strength", true},
		{"karras for DDIM", both(fromStyle, func(g *gatewayv1.Generation) { g.Sampler = 3 }), invalid, "karras_sigmas", true},
		{"an unknown subject", func(g *gatewayv1.Generation) {
			g.Subjects[0] = &gatewayv1.GenerationSubject{Subject: "subjects/nobody"}
		}, faultv1.Reason_REASON_UNKNOWN_SUBJECT, "subjects[0].subject", true},
		{"a subject that is deleted while its generation runs", func(g *gatewayv1.Generation) {
			g.Steps, g.PictureCount = new(int32(100)), new(int32(8))
			g.Subjects[0] = &gatewayv1.GenerationSubject{Subject: enrolled.GetName()}
		}, faultv1.Reason_REASON_UNKNOWN_SUBJECT, "subjects[0].subject", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// The subject's own generation alone gets so far as to be denoised.
			f, early := refused(t, client, request(t, test.change), deleted)
			if f.Reason != test.reason || f.Field != test.field {
				t.Errorf("got %v at %q (%s), want %v at %q", f.Reason, f.Field, f.Message, test.reason, test.field)
			}
			if early != test.early {
				t.Errorf("refused at Create: %t, want %t", early, test.early)
			}
			if f.Message == "" {
				t.Error("there is no way out")
			}
		})
	}
	t.Run("the mesh goes on serving", func(t *testing.T) { pictures(t, client, request(t, two)) })
}

func TestWhoWentWhere(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	end := func(change ...func(*gatewayv1.Generation)) *gatewayv1.Generation {
		created, err := client.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: request(t, change...)})
		if err != nil {
			t.Fatal(err)
		}
		ended := await(t, client, created.GetName(), nil)
		if ended.GetState() != gatewayv1.State_STATE_SUCCEEDED {
			t.Fatalf("it is %v: %v", ended.GetState(), ended.GetFault())
		}
		return ended
	}
	placed := end(two).GetPlacements()
	if len(placed) != 2 || placed[0].GetSubject() != 1 || placed[1].GetSubject() != 0 || placed[0].GetPerson() != 0 || placed[1].GetPerson() != 1 {
		t.Fatalf("who went where: %v", placed)
	}
	if x := placed[1].GetBox().GetX(); x < 128 || x > 200 {
		t.Errorf("the right person is at %g", x)
	}
	// One subject: the other person is nobody's, and stays when the background
	// is kept.
	one := func(g *gatewayv1.Generation) { two(g); g.Subjects = g.Subjects[:1] }
	if placed = end(one).GetPlacements(); len(placed) != 2 || placed[0].Subject != nil || placed[1].Subject == nil {
		t.Errorf("who went where: %v", placed)
	}
	if placed = end(one, kept).GetPlacements(); len(placed) != 1 || placed[0].GetPerson() != 1 {
		t.Errorf("who went where: %v", placed)
	}
}

// The order of subjects that say where they go does not matter, nor what the
// weights of a mix sum to.
func TestWhatDoesNotMatter(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	at := func(g *gatewayv1.Generation) { two(g); g.Subjects[0].At, g.Subjects[1].At = index(1), index(0) }
	turned := func(g *gatewayv1.Generation) { at(g); slices.Reverse(g.Subjects) }
	heavier := func(g *gatewayv1.Generation) {
		mixed(g)
		g.Subjects[0].Mix[0].Weight, g.Subjects[0].Mix[1].Weight = 0.75, 0.25
	}
	for name, pair := range map[string][2]func(*gatewayv1.Generation){"order": {at, turned}, "weights": {mixed, heavier}} {
		a, b := pictures(t, client, request(t, pair[0])), pictures(t, client, request(t, pair[1]))
		if !bytes.Equal(pixels(t, a[0]), pixels(t, b[0])) {
			t.Errorf("%s: it matters", name)
		}
	}
}

func pixels(t *testing.T, data []byte) []byte {
	t.Helper()
	p := decoded(t, data)
	rgba := image.NewRGBA(p.Bounds())
	for y := range rgba.Rect.Dy() {
		for x := range rgba.Rect.Dx() {
			rgba.Set(x, y, p.At(x, y))
		}
	}
	return rgba.Pix
}
