package flow_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
)

var framing = bundle.Framing{Fill: "edge", Template: template}

// sizes are canvases of all shapes.
var sizes = [][2]int{{32, 32}, {64, 32}, {32, 64}, {256, 64}, {64, 256}, {192, 128}, {128, 192}}

// Whatever the canvas, a transform turns, scales and moves; it never stretches.
func TestFramingNeverStretches(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // not a secret
	for _, size := range sizes {
		for n := range 9 {
			var people []*mediav1.Face
			for range n {
				people = append(people, face(draw.Float32()*400, draw.Float32()*200, 0.5+2*draw.Float32()))
			}
			m := flow.Frame(500, 300, people, nil, framing, size[0], size[1])
			if math.Abs(m[0]-m[4]) > 1e-9 || math.Abs(m[1]+m[3]) > 1e-9 || !(m.Scale() > 0) {
				t.Errorf("%d people on %v: %v", n, size, m)
			}
		}
	}
}

// Several people are all in view, no larger than one alone would be.
func TestSeveralAreInView(t *testing.T) {
	draw := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // not a secret
	for _, size := range sizes {
		w, h := float64(size[0]), float64(size[1])
		for n := 2; n <= 8; n++ {
			var people []*mediav1.Face
			for range n {
				people = append(people, face(draw.Float32()*400, draw.Float32()*200, 1+draw.Float32()))
			}
			region := imaging.Box{X: 300 * draw.Float64(), Y: 100 * draw.Float64(), W: 50, H: 80}
			m := flow.Frame(500, 300, people, []imaging.Box{region}, framing, size[0], size[1])
			boxes := []imaging.Box{region}
			largest := 0.0
			for _, p := range people {
				b := p.GetBox()
				boxes = append(boxes, imaging.Box{X: float64(b.GetX()), Y: float64(b.GetY()), W: float64(b.GetWidth()), H: float64(b.GetHeight())})
				largest = max(largest, m.Scale()*float64(b.GetWidth()))
			}
			for i, b := range boxes {
				on := m.ApplyBox(b)
				if on.X < -1e-6 || on.Y < -1e-6 || on.X+on.W > w+1e-6 || on.Y+on.H > h+1e-6 {
					t.Errorf("%d people on %v: box %d is at %v", n, size, i, on)
				}
			}
			// A framed face is half of the shorter side; the largest of several is at
			// most twice the median.
			if largest > min(w, h)+1e-6 {
				t.Errorf("%d people on %v: the largest face is %g wide", n, size, largest)
			}
		}
	}
}

func TestOneIsFramedByTheTemplate(t *testing.T) {
	for _, size := range sizes {
		m := flow.Frame(500, 300, []*mediav1.Face{face(100, 100, 1.5)}, nil, framing, size[0], size[1])
		side := float64(min(size[0], size[1]))
		if want := side / (32 * 1.5); math.Abs(m.Scale()-want) > 1e-6 {
			t.Errorf("on %v the scale is %g, want %g", size, m.Scale(), want)
		}
		nose := m.Apply(imaging.Point{X: 100 + 16*1.5, Y: 100 + 17*1.5})
		want := imaging.Point{X: float64(size[0]) / 2, Y: (float64(size[1])-side)/2 + side*17/32}
		if math.Hypot(nose.X-want.X, nose.Y-want.Y) > 1e-3 {
			t.Errorf("on %v the nose is at %v, want %v", size, nose, want)
		}
	}
}

// A face without landmarks, or in a heap, is framed somehow.
func TestOddFaces(t *testing.T) {
	bare := &mediav1.Face{Box: &mediav1.Box{X: 10, Y: 10, Width: 20, Height: 20}}
	for name, people := range map[string][]*mediav1.Face{
		"no landmarks":      {bare},
		"two without":       {bare, bare},
		"the same twice":    {face(5, 5, 1), face(5, 5, 1)},
		"off the picture":   {face(-900, 5, 1), face(900, 5, 1)},
		"one with, one not": {face(5, 5, 1), bare},
	} {
		m := flow.Frame(100, 100, people, nil, framing, 64, 32)
		for _, v := range m {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%s: %v", name, m)
			}
		}
		if !(m.Scale() > 0) {
			t.Errorf("%s: scale %g", name, m.Scale())
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(float32(10), float32(10), float32(1), float32(90), float32(20), float32(2), uint8(4), uint8(2))
	f.Fuzz(func(t *testing.T, x0, y0, s0, x1, y1, s1 float32, cw, ch uint8) {
		w, h := 16*(1+int(cw)%16), 16*(1+int(ch)%16)
		people := []*mediav1.Face{face(x0, y0, s0), face(x1, y1, s1)}
		m := flow.Frame(300, 200, people, nil, framing, w, h)
		// Whatever it is, a picture comes of it.
		if p := imaging.Warp(imaging.NewRGB(300, 200), m, w, h, imaging.Replicate); p.W != w || p.H != h {
			t.Fatalf("%d x %d", p.W, p.H)
		}
	})
}
