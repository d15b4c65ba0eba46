package imaging_test

import (
	"bytes"
	"image/png"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/services/imaging"
)

func picture(w, h int) *imaging.RGB {
	p := imaging.NewRGB(w, h)
	for i := range p.Pix {
		p.Pix[i] = uint8(i * 7)
	}
	return p
}

func TestPNGKeepsPixelsAndText(t *testing.T) {
	p := picture(33, 40)
	text := map[string]string{"Software": "FaceStudio", "record": `{"name":"Grüße"}`, "empty": ""}
	data, err := imaging.EncodePNG(p, text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := imaging.EncodePNG(p.Clone(), maps.Clone(text))
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("equal pictures have other bytes, %v", err)
	}
	if got := imaging.PNGText(data); !maps.Equal(got, text) {
		t.Errorf("text %v", got)
	}
	if _, err := png.Decode(bytes.NewReader(data)); err != nil {
		t.Errorf("the checksums are wrong: %v", err)
	}
	back, err := imaging.Decode(data, imaging.Limits{})
	if err != nil || !bytes.Equal(back.Pix, p.Pix) {
		t.Errorf("the pixels changed, %v", err)
	}
	for _, keyword := range []string{"", strings.Repeat("x", 80), "a\nb", "ü"} {
		if _, err := imaging.EncodePNG(p, map[string]string{keyword: ""}); err == nil {
			t.Errorf("keyword %q is accepted", keyword)
		}
	}
	if text := imaging.PNGText([]byte("no PNG")); len(text) != 0 {
		t.Errorf("text %v", text)
	}
}

func TestJPEG(t *testing.T) {
	data, err := imaging.EncodeJPEG(imaging.NewRGB(40, 50), 75)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := imaging.Decode(data, imaging.Limits{}); err != nil || p.W != 40 || p.H != 50 {
		t.Errorf("%v", err)
	}
}

func TestTensorsComeBack(t *testing.T) {
	p := picture(5, 4)
	mean, std := [3]float32{0.5, 0.4, 0.3}, [3]float32{0.5, 0.25, 0.2}
	x := p.Tensor(mean, std)
	if !x.Is(1, 3, 4, 5) {
		t.Fatalf("shape %v", x.Shape)
	}
	if want := (float32(p.At(2, 1)[1])/255 - 0.4) / 0.25; x.Data[20+1*5+2] != want {
		t.Errorf("green of pixel 2, 1 is %g, want %g", x.Data[20+1*5+2], want)
	}
	if back := imaging.FromTensor(x, 0, mean, std); !bytes.Equal(back.Pix, p.Pix) {
		t.Error("the picture does not come back")
	}
	x.Data[0], x.Data[1], x.Data[2] = 100, -100, float32(math.NaN())
	back := imaging.FromTensor(x, 0, mean, std)
	if back.Pix[0] != 255 || back.Pix[3] != 0 || back.Pix[6] != 0 {
		t.Errorf("not clamped: %v", back.Pix[:9])
	}
}

func TestResize(t *testing.T) {
	g := imaging.NewGray(4, 2)
	copy(g.Pix, []uint8{0, 10, 20, 31, 2, 20, 40, 70})
	for name, c := range map[string]struct {
		w, h int
		want []uint8
	}{
		"halves":  {2, 1, []uint8{8, 40}},
		"same":    {4, 2, g.Pix},
		"one":     {1, 1, []uint8{24}},
		"columns": {4, 1, []uint8{1, 15, 30, 51}},
	} {
		if got := imaging.ResizeGray(g, c.w, c.h); !slices.Equal(got.Pix, c.want) {
			t.Errorf("%s: %v, want %v", name, got.Pix, c.want)
		}
	}
	// A constant stays one at any size, and no size panics.
	flat := imaging.NewRGB(7, 5)
	for i := range flat.Pix {
		flat.Pix[i] = 255
	}
	for _, size := range [][2]int{{1, 1}, {3, 2}, {7, 11}, {50, 3}, {6, 4}} {
		got := imaging.Resize(flat, size[0], size[1])
		if got.W != size[0] || got.H != size[1] || slices.Min(got.Pix) != 255 {
			t.Errorf("%v: %d x %d, least %d", size, got.W, got.H, slices.Min(got.Pix))
		}
	}
}
