package encoder_test

import (
	"math"
	"testing"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/testkit"
)

// blurred returns the picture after means of 3 x 3 pixels, so many times: each
// has a variance of 2/3 along each axis.
func blurred(p *imaging.RGB, times int) *imaging.RGB {
	for range times {
		out := imaging.NewRGB(p.W, p.H)
		for y := range p.H {
			for x := range p.W {
				for c := range 3 {
					var sum int
					for dy := -1; dy <= 1; dy++ {
						for dx := -1; dx <= 1; dx++ {
							sum += int(p.At(max(0, min(x+dx, p.W-1)), max(0, min(y+dy, p.H-1)))[c])
						}
					}
					out.Pix[3*(y*p.W+x)+c] = uint8((sum + 4) / 9)
				}
			}
		}
		p = out
	}
	return p
}

// darkened returns the picture with its light divided, by the sRGB curve's
// approximation of 2.2.
func darkened(p *imaging.RGB, by float64) *imaging.RGB {
	out := p.Clone()
	for i, v := range p.Pix {
		out.Pix[i] = uint8(255*math.Pow(math.Pow(float64(v)/255, 2.2)/by, 1/2.2) + 0.5)
	}
	return out
}

// TestStrictVerdicts spoils every example: the strict verdict is on that alone,
// and a call that is not strict tells the same figures without refusing.
func TestStrictVerdicts(t *testing.T) {
	c := client(t)
	for name, test := range map[string]struct {
		spoil func(*imaging.RGB) *imaging.RGB
		want  faultv1.Reason
	}{
		"as they are":           {func(p *imaging.RGB) *imaging.RGB { return p }, 0},
		"a little blurred":      {func(p *imaging.RGB) *imaging.RGB { return blurred(p, 1) }, 0},
		"two stops too dark":    {func(p *imaging.RGB) *imaging.RGB { return darkened(p, 4) }, 0},
		"blurred":               {func(p *imaging.RGB) *imaging.RGB { return blurred(p, 12) }, faultv1.Reason_REASON_FACE_BLURRED},
		"five stops too dark":   {func(p *imaging.RGB) *imaging.RGB { return darkened(p, 32) }, faultv1.Reason_REASON_FACE_TOO_DARK},
		"enlarged eight times":  {func(p *imaging.RGB) *imaging.RGB { return imaging.Resize(imaging.Resize(p, 20, 20), 128, 128) }, faultv1.Reason_REASON_FACE_BLURRED},
		"four times the pixels": {func(p *imaging.RGB) *imaging.RGB { return imaging.Resize(p, 256, 256) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var photos []*mediav1.Picture
			for _, data := range testkit.ExampleFaces(t) {
				photos = append(photos, inline(encode(t, test.spoil(decode(t, data)))))
			}
			strict, err := c.EmbedFaces(t.Context(), &encoderv1.EmbedFacesRequest{Photos: photos, Strict: true})
			if err != nil {
				t.Fatal(err)
			}
			lenient, err := c.EmbedFaces(t.Context(), &encoderv1.EmbedFacesRequest{Photos: photos})
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range strict.GetFaces() {
				f := got.GetFigures()
				if got.GetFault().GetReason() != test.want {
					t.Errorf("photo %d: %v, want %v; %v", i, got.GetFault(), test.want, f)
				}
				if f == nil || f.GetFacePixels() < 32 || f.Yaw == nil || math.Abs(float64(f.GetYaw())) > 30 {
					t.Errorf("photo %d: figures %v", i, f)
				}
				if (got.GetEmbedding() == nil) != (test.want != 0) {
					t.Errorf("photo %d: the embedding is there: %t", i, got.GetEmbedding() != nil)
				}
				other := lenient.GetFaces()[i]
				if other.GetFault() != nil || other.GetFigures().GetSharpness() != f.GetSharpness() {
					t.Errorf("photo %d, not strictly: %v, %v", i, other.GetFault(), other.GetFigures())
				}
			}
		})
	}
}

func TestFiguresBesideFaults(t *testing.T) {
	c := client(t)
	examples := testkit.ExampleFaces(t)
	one, two := decode(t, examples[0]), decode(t, examples[1])
	small := encode(t, collage(256, 256, imaging.Resize(one, 36, 36)))
	several := encode(t, collage(256, 128, one, two))
	out, err := c.EmbedFaces(t.Context(), &encoderv1.EmbedFacesRequest{Photos: []*mediav1.Picture{
		inline(small), inline(several), inline([]byte("hello")),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if f := out.GetFaces()[0].GetFigures(); f == nil || f.GetFacePixels() >= 32 {
		t.Errorf("figures of a small face: %v", f)
	}
	if f := out.GetFaces()[1].GetFigures(); f.GetFacePixels() < 60 {
		t.Errorf("figures of the larger of two: %v", f)
	}
	if f := out.GetFaces()[2].GetFigures(); f != nil {
		t.Errorf("figures of no picture: %v", f)
	}
}
