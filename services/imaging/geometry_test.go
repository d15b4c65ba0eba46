package imaging_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/facestudio/facestudio/services/imaging"
)

func golden[T any](t *testing.T, name string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(read(t, name), &value); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return value
}

func points(rows [][2]float64) []imaging.Point {
	out := make([]imaging.Point, len(rows))
	for i, r := range rows {
		out[i] = imaging.Point{X: r[0], Y: r[1]}
	}
	return out
}

func affine(rows [2][3]float64) imaging.Affine {
	return imaging.Affine{rows[0][0], rows[0][1], rows[0][2], rows[1][0], rows[1][1], rows[1][2]}
}

func TestSimilarityGolden(t *testing.T) {
	file := golden[struct {
		Tolerance float64
		Cases     []struct {
			Name     string
			From, To [][2]float64
			Matrix   [2][3]float64
		}
	}](t, "similarity.json")
	for _, c := range file.Cases {
		got, err := imaging.Similarity(points(c.From), points(c.To))
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		for i, want := range affine(c.Matrix) {
			if math.Abs(got[i]-want) > file.Tolerance*max(1, math.Abs(want)) {
				t.Errorf("%s: element %d is %g, want %g", c.Name, i, got[i], want)
			}
		}
	}
}

func TestSimilarityNeedsTwoPoints(t *testing.T) {
	one := []imaging.Point{{X: 1, Y: 2}}
	same := []imaging.Point{{X: 1, Y: 2}, {X: 1, Y: 2}}
	for name, c := range map[string][2][]imaging.Point{
		"one": {one, one}, "unequal": {same, one}, "same": {same, {{X: 1}, {Y: 1}}}, "undefined": {{{X: math.NaN()}, {}}, same},
	} {
		if m, err := imaging.Similarity(c[0], c[1]); err == nil {
			t.Errorf("%s: %v", name, m)
		}
	}
}

func TestWarpGolden(t *testing.T) {
	file := golden[struct {
		Tolerance     float64
		Width, Height int
		Matrix        [2][3]float64
		Pixels        []struct {
			X, Y             int
			Black, Replicate [3]float64
		}
	}](t, "warp.json")
	src := imaging.NewRGB(file.Width, file.Height)
	for i := range src.Pix {
		pixel := i / 3
		src.Pix[i] = uint8(20*(pixel%src.W) + 3*(pixel/src.W) + 7*(i%3))
	}
	for edge, want := range map[imaging.Edge]func(int) [3]float64{
		imaging.Black:     func(i int) [3]float64 { return file.Pixels[i].Black },
		imaging.Replicate: func(i int) [3]float64 { return file.Pixels[i].Replicate },
	} {
		got := imaging.Warp(src, affine(file.Matrix), 2*file.Width, 2*file.Height, edge)
		for i, p := range file.Pixels {
			for c, v := range got.At(p.X, p.Y) {
				if math.Abs(float64(v)-want(i)[c]) > file.Tolerance {
					t.Errorf("edge %d: pixel %d, %d is %v, want %v", edge, p.X, p.Y, got.At(p.X, p.Y), want(i))
					break
				}
			}
		}
	}
}

func TestWarpShrinksWithoutFalsePatterns(t *testing.T) {
	src := imaging.NewRGB(400, 400)
	for i := range src.Pix {
		// A checkerboard finer than the result can show.
		if (i/3%400+i/1200)%2 == 0 {
			src.Pix[i] = 255
		}
	}
	small := imaging.Warp(src, imaging.Affine{0.1, 0, 0, 0, 0.1, 0}, 40, 40, imaging.Replicate)
	for i, v := range small.Pix {
		if v < 127 || v > 128 {
			t.Fatalf("byte %d is %d", i, v)
		}
	}
	if black := imaging.Warp(src, imaging.Affine{}, 4, 4, imaging.Replicate); black.At(1, 1) != [3]uint8{} {
		t.Error("a transform without an inverse is not black")
	}
}

func TestWarpShrunkKeepsPositions(t *testing.T) {
	src := imaging.NewRGB(300, 300)
	for i := range src.Pix {
		src.Pix[i] = uint8(i / 3 % 300 * 255 / 299)
	}
	m := imaging.Affine{0.2, 0, 3, 0, 0.2, 0}
	got := imaging.Warp(src, m, 60, 60, imaging.Replicate)
	for x := 6; x < 58; x++ {
		if want := (float64(x) - 3) / 0.2 * 255 / 299; math.Abs(float64(got.At(x, 30)[0])-want) > 1.5 {
			t.Fatalf("column %d is %d, want %g", x, got.At(x, 30)[0], want)
		}
	}
}

func TestAffineInverts(t *testing.T) {
	m, err := imaging.Similarity([]imaging.Point{{X: 3, Y: 4}, {X: 50, Y: 9}}, []imaging.Point{{X: 1, Y: 1}, {X: 20, Y: 90}})
	if err != nil {
		t.Fatal(err)
	}
	inv, ok := m.Invert()
	if p := inv.Apply(m.Apply(imaging.Point{X: 7, Y: -2})); !ok || math.Hypot(p.X-7, p.Y+2) > 1e-9 {
		t.Errorf("%v comes back as %v", imaging.Point{X: 7, Y: -2}, p)
	}
	turned := imaging.Affine{0, -1, 10, 1, 0, 0}.ApplyBox(imaging.Box{X: 1, Y: 2, W: 3, H: 4})
	if want := (imaging.Box{X: 4, Y: 1, W: 4, H: 3}); turned != want {
		t.Errorf("box %v, want %v", turned, want)
	}
}

func TestFramePutsLandmarksOnTheTemplate(t *testing.T) {
	template, ok := imaging.Template(imaging.Portrait)
	if _, other := imaging.Template("mugshot"); !ok || other {
		t.Fatal("the templates are not as named")
	}
	landmarks := map[string]imaging.Point{"left_ear": {X: 1, Y: 1}}
	for name, p := range imaging.OnCanvas(template, 300, 300) {
		landmarks[name] = imaging.Point{X: p.X + 50, Y: p.Y + 20}
	}
	for _, size := range [][2]int{{128, 128}, {64, 128}, {96, 64}} {
		p, m, err := imaging.Frame(imaging.NewRGB(400, 400), landmarks, size[0], size[1])
		if err != nil || p.W != size[0] || p.H != size[1] {
			t.Fatalf("%v: %v", size, err)
		}
		for name, want := range imaging.OnCanvas(template, size[0], size[1]) {
			if got := m.Apply(landmarks[name]); math.Hypot(got.X-want.X, got.Y-want.Y) > 1e-9 {
				t.Errorf("%v: %s is at %v, want %v", size, name, got, want)
			}
		}
	}
	if _, _, err := imaging.Frame(imaging.NewRGB(40, 40), map[string]imaging.Point{"nose": {}}, 64, 64); err == nil {
		t.Error("one landmark is enough")
	}
}

func TestFillBox(t *testing.T) {
	for name, c := range map[string]struct {
		box            imaging.Box
		scale          float64
		x0, y0, x1, y1 int
	}{
		"whole":     {imaging.Box{X: 2, Y: 3, W: 4, H: 2}, 1, 2, 3, 6, 5},
		"outwards":  {imaging.Box{X: 2.4, Y: 3.6, W: 1, H: 1}, 1, 2, 3, 4, 5},
		"enlarged":  {imaging.Box{X: 4, Y: 4, W: 2, H: 2}, 2, 3, 3, 7, 7},
		"cut":       {imaging.Box{X: -5, Y: -5, W: 8, H: 100}, 1, 0, 0, 3, 10},
		"outside":   {imaging.Box{X: 50, Y: 50, W: 5, H: 5}, 1, 0, 0, 0, 0},
		"undefined": {imaging.Box{X: math.Inf(1), Y: 0, W: 5, H: 5}, 1, 0, 0, 0, 0},
	} {
		p := imaging.NewRGB(10, 10)
		imaging.FillBox(p, c.box, c.scale, [3]uint8{1, 2, 3})
		for y := range 10 {
			for x := range 10 {
				inside := x >= c.x0 && x < c.x1 && y >= c.y0 && y < c.y1
				if filled := p.At(x, y) == [3]uint8{1, 2, 3}; filled != inside {
					t.Errorf("%s: pixel %d, %d filled: %v", name, x, y, filled)
				}
			}
		}
	}
}
