package e2e_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/provenance"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// The portraits of the photo of two people: a head stays within its own.
var portraits = []image.Rectangle{image.Rect(30, 60, 270, 300), image.Rect(330, 40, 610, 320)}

// photoOfTwo is a photo of 640 x 360 with erik at the left and marco, larger, at
// the right.
func photoOfTwo(t *testing.T) image.Image {
	t.Helper()
	return canvas(640, 360, map[image.Rectangle]image.Image{
		portraits[0]: decoded(t, example(t, "erik")), portraits[1]: decoded(t, example(t, "marco")),
	})
}

// placed is a generation that puts jun, and with two people clara, into a
// photo.
func placed(t *testing.T, photo image.Image, people int, more ...func(*gatewayv1.Generation)) *gatewayv1.Generation {
	t.Helper()
	g := request(t)
	g.Style, g.InPlace = inline(encodedPNG(t, photo)), true
	g.Subjects = nil
	for _, name := range []string{"jun", "clara"}[:people] {
		g.Subjects = append(g.Subjects, &gatewayv1.GenerationSubject{Name: name, Photos: []*mediav1.Picture{inline(example(t, name))}})
	}
	for _, change := range more {
		change(g)
	}
	return g
}

// news tells how many pixels of each portrait are new, and how many outside
// them all.
func news(t *testing.T, photo image.Image, result []byte) (in []int, outside int) {
	t.Helper()
	made := decoded(t, result)
	if made.Bounds() != photo.Bounds() {
		t.Fatalf("the result is %v, the photo %v", made.Bounds(), photo.Bounds())
	}
	in = make([]int, len(portraits))
	for y := range photo.Bounds().Dy() {
		for x := range photo.Bounds().Dx() {
			r, g, b, _ := photo.At(x, y).RGBA()
			mr, mg, mb, _ := made.At(x, y).RGBA()
			if r == mr && g == mg && b == mb {
				continue
			}
			where := -1
			for i, p := range portraits {
				if (image.Point{X: x, Y: y}).In(p.Inset(-8)) {
					where = i
				}
			}
			if where < 0 {
				outside++
			} else {
				in[where]++
			}
		}
	}
	return in, outside
}

func TestInPlace(t *testing.T) {
	conn, stop := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	photo := photoOfTwo(t)
	both := pictures(t, client, placed(t, photo, 2))[0]
	t.Run("two people", func(t *testing.T) {
		in, outside := news(t, photo, both)
		if outside != 0 || in[0] == 0 || in[1] == 0 {
			t.Errorf("%d pixels outside the heads are new, and %v of them", outside, in)
		}
		record, err := provenance.Read(both)
		if err != nil || record.Source != provenance.Composite {
			t.Errorf("the record is %+v, %v", record, err)
		}
	})
	t.Run("the right one alone", func(t *testing.T) {
		alone := pictures(t, client, placed(t, photo, 1, func(g *gatewayv1.Generation) {
			g.Subjects[0].At = &gatewayv1.Placement{Where: &gatewayv1.Placement_Point{Point: &mediav1.Point{X: 480, Y: 190}}}
		}))[0]
		in, outside := news(t, photo, alone)
		if outside != 0 || in[0] != 0 || in[1] == 0 {
			t.Errorf("%d pixels outside the heads are new, and %v of them", outside, in)
		}
	})
	t.Run("strength", func(t *testing.T) {
		half := pictures(t, client, placed(t, photo, 2, func(g *gatewayv1.Generation) { g.Strength = new(float32(0.5)) }))[0]
		in, outside := news(t, photo, half)
		if outside != 0 || in[0] == 0 || in[1] == 0 {
			t.Errorf("%d pixels outside the heads are new, and %v of them", outside, in)
		}
		if bytes.Equal(half, both) {
			t.Error("strength changes nothing")
		}
	})
	t.Run("the second of two pictures", func(t *testing.T) {
		count := func(n int32) func(*gatewayv1.Generation) {
			return func(g *gatewayv1.Generation) { g.PictureCount = new(n) }
		}
		two := pictures(t, client, placed(t, photo, 2, count(2)))
		if !bytes.Equal(two[0], both) || bytes.Equal(two[1], both) {
			t.Error("a picture depends on how many there are, or not on its index")
		}
	})
	t.Run("a photo whose PNG is larger than what is read", func(t *testing.T) {
		if testing.Short() {
			t.Skip("the race detector makes a minute of its encoding")
		}
		large := grain(2900, 2350, decoded(t, example(t, "erik")))
		var upload bytes.Buffer
		if err := jpeg.Encode(&upload, large, &jpeg.Options{Quality: 70}); err != nil {
			t.Fatal(err)
		}
		got := pictures(t, client, placed(t, photo, 1, func(g *gatewayv1.Generation) { g.Style = inline(upload.Bytes()) }))[0]
		if len(got) < 16<<20 {
			t.Errorf("the result has %d bytes: make the photo larger", len(got))
		}
	})
	stop()
	t.Run("separate processes", func(t *testing.T) {
		mesh := inSeparateProcesses(t)
		if !bytes.Equal(pictures(t, mesh.client(), placed(t, photo, 2))[0], both) {
			t.Error("separate processes make another picture than one process")
		}
	})
}

// grain is a picture of noise, which no format makes small, with a portrait in
// its middle.
func grain(w, h int, portrait image.Image) image.Image {
	r := rand.New(rand.NewPCG(1, 2))
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range out.Pix {
		out.Pix[i] = uint8(60 + r.IntN(120))
		if i%4 == 3 {
			out.Pix[i] = 0xff
		}
	}
	at := image.Rect(w/2-300, h/2-300, w/2+300, h/2+300)
	draw.Draw(out, at, canvas(600, 600, map[image.Rectangle]image.Image{image.Rect(0, 0, 600, 600): portrait}), image.Point{}, draw.Src)
	return out
}

func TestBadInPlace(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	erik := decoded(t, example(t, "erik"))
	photo := photoOfTwo(t)
	withPhotoOf := func(p image.Image) func(*gatewayv1.Generation) {
		return withStyle(encodedPNG(t, p))
	}
	hidden := canvas(300, 300, map[image.Rectangle]image.Image{image.Rect(30, 30, 270, 270): erik}).(*image.RGBA)
	draw.Draw(hidden, image.Rect(60, 60, 240, 260), image.NewUniform(color.Gray{0x40}), image.Point{}, draw.Src)
	tests := []struct {
		name   string
		people int
		change func(*gatewayv1.Generation)
		reason faultv1.Reason
		field  string
		early  bool
	}{
		{"a prompt only", 1, func(g *gatewayv1.Generation) { prompted(g); unstyled(g) }, faultv1.Reason_REASON_INVALID_FIELD, "in_place", true},
		{"neither style nor prompt", 1, unstyled, faultv1.Reason_REASON_NOTHING_TO_MAKE, "", true},
		{"another background", 1, func(g *gatewayv1.Generation) { g.Background = denoiserv1.Background_BACKGROUND_MEAN }, faultv1.Reason_REASON_INVALID_FIELD, "background", true},
		{"strength 0", 1, func(g *gatewayv1.Generation) { g.Strength = new(float32(0)) }, faultv1.Reason_REASON_INVALID_FIELD, "strength", true},
		{"nobody in the photo", 1, withPhotoOf(canvas(300, 300, nil)), faultv1.Reason_REASON_NO_FACE_FOUND, style, false},
		{"a person without a visible face", 1, withPhotoOf(hidden), faultv1.Reason_REASON_NO_FACE_FOUND, style, false},
		{"a face of 24 pixels", 1, withPhotoOf(canvas(64, 64, map[image.Rectangle]image.Image{image.Rect(12, 12, 52, 52): erik})), faultv1.Reason_REASON_FACE_TOO_SMALL, style, false},
		{"a face that the border cuts", 1, withPhotoOf(canvas(300, 300, map[image.Rectangle]image.Image{image.Rect(-60, 40, 140, 240): erik})), faultv1.Reason_REASON_NO_FACE_FOUND, style, false},
		{"a truncated photo", 1, withStyle(encodedPNG(t, photo)[:20000]), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, style, false},
		{"person 5 of 2", 1, func(g *gatewayv1.Generation) {
			g.Subjects[0].At = &gatewayv1.Placement{Where: &gatewayv1.Placement_Person{Person: 5}}
		}, faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[0].at", false},
		{"two people for one", 2, withPhotoOf(canvas(300, 300, map[image.Rectangle]image.Image{image.Rect(30, 30, 270, 270): erik})), faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, "subjects", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, early := refused(t, client, placed(t, photo, test.people, test.change))
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
}
