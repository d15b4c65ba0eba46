package imaging_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
	"github.com/facestudio/facestudio/services/testkit"
)

const side = 128

// faces are the example pictures, framed as portraits already.
func faces(t *testing.T) []*imaging.RGB {
	t.Helper()
	var out []*imaging.RGB
	for _, data := range testkit.ExampleFaces(t) {
		p, err := imaging.Decode(data, imaging.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// scene is a picture of soft colours and fine grain.
func scene(w, h int, seed uint64) *imaging.RGB {
	r := rand.New(rand.NewPCG(seed, 2))
	p := imaging.NewRGB(w, h)
	for i := range w * h {
		x, y := float64(i%w)/float64(w), float64(i/w)/float64(h)
		for c := range 3 {
			p.Pix[3*i+c] = uint8(110 + 50*math.Sin(5*x+float64(c)) + 40*math.Cos(4*y) + 12*r.Float64())
		}
	}
	return p
}

// turned is a similarity that takes a head in a photo to the canvas: the photo's
// head is scale times as large as the canvas', turned, with its corner at x, y.
func turned(x, y, scale, angle float64) imaging.Affine {
	sin, cos := math.Sincos(angle)
	m, _ := imaging.Affine{scale * cos, -scale * sin, x, scale * sin, scale * cos, y}.Invert()
	return m
}

// put places a portrait into a photo where move takes it from.
func put(t *testing.T, photo, portrait *imaging.RGB, move imaging.Affine) *imaging.RGB {
	t.Helper()
	out, err := imaging.Paste(photo, []imaging.Patch{{Made: portrait, Crop: portrait, Matte: slices.Repeat([]float32{1}, side*side), Move: move}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// matte is a head's matte in the middle of the canvas.
func matte() []float32 {
	m, _ := mask.Head{
		Person: slices.Repeat([]float32{1}, side*side),
		Around: mask.Ellipse{X: 63.5, Y: 62, RX: 46, RY: 58},
	}.Matte(side, side)
	return m
}

func patchOf(photo, made *imaging.RGB, move imaging.Affine, matte []float32) imaging.Patch {
	return imaging.Patch{Made: made, Crop: imaging.Warp(photo, move, side, side, imaging.Replicate), Matte: matte, Move: move}
}

func TestPasteLeavesEveryOtherPixel(t *testing.T) {
	people := faces(t)
	type head struct {
		move      imaging.Affine
		old, made *imaging.RGB
	}
	heads := map[string]head{
		"same size":       {turned(30, 40, 1, 0), people[0], people[1]},
		"larger, turned":  {turned(90, 20, 2.3, 0.2), people[0], people[1]},
		"smaller, turned": {turned(300, 100, 0.4, -0.3), people[0], people[1]},
		"over the border": {turned(-60, -90, 2, 0), people[0], people[1]},
	}
	r := rand.New(rand.NewPCG(5, 5))
	for i := range 3 * len(people) {
		move := turned(400*r.Float64()-50, 360*r.Float64()-50, 0.4+2.4*r.Float64(), r.Float64()-0.5)
		heads[fmt.Sprintf("drawn %d", i)] = head{move, people[i%len(people)], people[(5*i+1)%len(people)]}
	}
	m := matte()
	for name, h := range heads {
		t.Run(name, func(t *testing.T) {
			photo := put(t, scene(420, 380, 1), h.old, h.move)
			got, err := imaging.Paste(photo, []imaging.Patch{patchOf(photo, h.made, h.move, m)})
			if err != nil {
				t.Fatal(err)
			}
			outside, inside := changes(photo, got, m, h.move)
			if outside != 0 {
				t.Errorf("%d pixels outside the matte changed", outside)
			}
			if inside == 0 && h.old != h.made {
				t.Error("nothing is new")
			}
		})
	}
}

// changes counts the pixels that differ where the matte is 0, and where it is
// not.
func changes(photo, got *imaging.RGB, matte []float32, move imaging.Affine) (outside, inside int) {
	for i := range photo.W * photo.H {
		switch at := (imaging.Point{X: float64(i % photo.W), Y: float64(i / photo.W)}); {
		case bytes.Equal(got.Pix[3*i:3*i+3], photo.Pix[3*i:3*i+3]):
		case covered(matte, move.Apply(at)):
			inside++
		default:
			outside++
		}
	}
	return outside, inside
}

// covered tells whether any pixel of the matte around a position is above 0.
func covered(matte []float32, p imaging.Point) bool {
	for _, y := range []float64{math.Floor(p.Y), math.Ceil(p.Y)} {
		for _, x := range []float64{math.Floor(p.X), math.Ceil(p.X)} {
			if x >= 0 && y >= 0 && x < side && y < side && matte[int(y)*side+int(x)] > 0 {
				return true
			}
		}
	}
	return false
}

func TestPasteOfTheSameChangesNothing(t *testing.T) {
	photo := put(t, scene(300, 260, 3), faces(t)[2], turned(50, 60, 1, 0))
	move := turned(50, 60, 1, 0)
	p := patchOf(photo, nil, move, matte())
	p.Made = p.Crop
	got, err := imaging.Paste(photo, []imaging.Patch{p})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Pix, photo.Pix) {
		t.Error("the photo changed")
	}
}

func TestPastedHeadsThatOverlapDoNotDependOnTheirOrder(t *testing.T) {
	people := faces(t)
	photo := scene(400, 300, 4)
	a, b := turned(20, 30, 1.7, 0.1), turned(120, 40, 1.5, -0.1)
	patches := []imaging.Patch{patchOf(photo, people[3], a, matte()), patchOf(photo, people[4], b, matte())}
	one, err := imaging.Paste(photo, patches)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(patches)
	other, err := imaging.Paste(photo, patches)
	if err != nil {
		t.Fatal(err)
	}
	for i := range one.Pix {
		if d := int(one.Pix[i]) - int(other.Pix[i]); d < -1 || d > 1 {
			t.Fatalf("byte %d is %d and %d", i, one.Pix[i], other.Pix[i])
		}
	}
}

// TestTheSeamIsNoEdge pastes a head of another person, background and all,
// which is harder than what a generation makes: that continues the photo. The
// gradient across the matte's soft edge must stay that of the photo.
func TestTheSeamIsNoEdge(t *testing.T) {
	people := faces(t)
	m := matte()
	for _, scale := range []float64{0.6, 1, 2.5} {
		t.Run(fmt.Sprint(scale), func(t *testing.T) {
			var before, after float64
			for i, person := range people {
				move := turned(60, 50, scale, 0.05*float64(i%5-2))
				photo := put(t, scene(480, 440, uint64(i)), person, move)
				got, err := imaging.Paste(photo, []imaging.Patch{patchOf(photo, people[(i+1)%len(people)], move, m)})
				if err != nil {
					t.Fatal(err)
				}
				before += across(photo, m, move)
				after += across(got, m, move)
			}
			t.Logf("ratio %.3f", after/before)
			if ratio := after / before; !(ratio <= 1.2) {
				t.Errorf("the gradient across the edge is %.3f of the photo's, want at most 1.2", ratio)
			}
		})
	}
}

// across is the sum of the gradients along the normal of the matte's edge, over
// the photo's pixels where the matte is between 0 and 1.
func across(p *imaging.RGB, matte []float32, move imaging.Affine) float64 {
	level := func(x, y int) float64 {
		v := p.At(x, y)
		return 0.299*float64(v[0]) + 0.587*float64(v[1]) + 0.114*float64(v[2])
	}
	at := func(x, y int) float64 {
		q := move.Apply(imaging.Point{X: float64(x), Y: float64(y)})
		cx, cy := int(math.Round(q.X)), int(math.Round(q.Y))
		if cx < 0 || cy < 0 || cx >= side || cy >= side {
			return 0
		}
		return float64(matte[cy*side+cx])
	}
	var sum float64
	for y := 2; y < p.H-2; y++ {
		for x := 2; x < p.W-2; x++ {
			if m := at(x, y); m <= 0 || m >= 1 {
				continue
			}
			nx, ny := at(x+2, y)-at(x-2, y), at(x, y+2)-at(x, y-2)
			if n := math.Hypot(nx, ny); n > 0 {
				sum += math.Abs(nx*(level(x+1, y)-level(x-1, y))+ny*(level(x, y+1)-level(x, y-1))) / n
			}
		}
	}
	return sum
}

func TestPasteRefusesWhatDoesNotFit(t *testing.T) {
	photo, made := scene(64, 64, 5), scene(32, 32, 6)
	good := imaging.Patch{Made: made, Crop: made, Matte: make([]float32, 32*32), Move: imaging.Affine{1, 0, 0, 0, 1, 0}}
	tests := map[string]func(*imaging.Patch){
		"crop":      func(p *imaging.Patch) { p.Crop = photo },
		"matte":     func(p *imaging.Patch) { p.Matte = p.Matte[:5] },
		"transform": func(p *imaging.Patch) { p.Move = imaging.Affine{} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			p := good
			change(&p)
			if _, err := imaging.Paste(photo, []imaging.Patch{p}); err == nil {
				t.Error("no error")
			}
		})
	}
}
