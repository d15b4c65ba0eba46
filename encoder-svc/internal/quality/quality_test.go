package quality_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/facestudio/facestudio/encoder-svc/internal/quality"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
)

// patterns are the pictures of testdata/blur.json, by formulas.
var patterns = map[string]func(x, y int) float64{
	"pattern": func(x, y int) float64 { return float64((x*x*7+y*y*13+x*y*5)%97) / 96 },
	"checks": func(x, y int) float64 {
		if (x/9+y/7)%2 == 0 {
			return 0.25
		}
		return 0.75
	},
}

// smooth is the mean of 3 x 3 pixels, the outer ones repeated.
func smooth(values []float64, w, h int) []float64 {
	out := make([]float64, len(values))
	at := func(x, y int) float64 { return values[max(0, min(y, h-1))*w+max(0, min(x, w-1))] }
	for y := range h {
		for x := range w {
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					out[y*w+x] += at(x+dx, y+dy) / 9
				}
			}
		}
	}
	return out
}

// TestBlurGolden compares with scikit-image, whose values and version
// testdata/blur.json has.
func TestBlurGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/blur.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Pattern                 string
			Width, Height, Smoothed int
			Blur                    float64
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil || len(golden.Cases) == 0 {
		t.Fatalf("%d cases, %v", len(golden.Cases), err)
	}
	for _, c := range golden.Cases {
		values := make([]float64, c.Width*c.Height)
		for i := range values {
			values[i] = patterns[c.Pattern](i%c.Width, i/c.Width)
		}
		for range c.Smoothed {
			values = smooth(values, c.Width, c.Height)
		}
		if got := quality.Blur(values, c.Width, c.Height); math.Abs(got-c.Blur) > 1e-6 {
			t.Errorf("%s %dx%d smoothed %d times: blur %v, want %v", c.Pattern, c.Width, c.Height, c.Smoothed, got, c.Blur)
		}
	}
}

func TestBlurIsTheSameInLessLight(t *testing.T) {
	values, dim := make([]float64, 40*32), make([]float64, 40*32)
	for i := range values {
		values[i] = patterns["checks"](i%40, i/40)
		dim[i] = 0.1 + values[i]/16
	}
	if a, b := quality.Blur(values, 40, 32), quality.Blur(dim, 40, 32); math.Abs(a-b) > 1e-9 {
		t.Errorf("blur %v, in less light %v", a, b)
	}
}

func TestBlurOfNothing(t *testing.T) {
	for name, size := range map[string][2]int{"a speck": {3, 3}, "a line": {1, 50}, "grey": {20, 20}} {
		if got := quality.Blur(make([]float64, size[0]*size[1]), size[0], size[1]); got < 0.9 || got > 1 {
			t.Errorf("%s: blur %v", name, got)
		}
	}
}

func TestBrightness(t *testing.T) {
	values := make([]float64, 100)
	for i := range values {
		values[i] = float64(99-i) / 100
	}
	if got := quality.Brightness(values); got != 0.89 {
		t.Errorf("brightness %v, want 0.89", got)
	}
	if got := quality.Brightness([]float64{0.5}); got != 0.5 {
		t.Errorf("brightness of one pixel %v", got)
	}
}

// head returns the points of a head that is turned by yaw about the vertical
// and tilted in the picture by roll, degrees: the eyes 60 apart, the tip of
// the nose 36 before and 40 below them.
func head(yaw, roll float64) map[string]imaging.Point {
	sy, cy := math.Sincos(yaw * math.Pi / 180)
	sr, cr := math.Sincos(roll * math.Pi / 180)
	see := func(x, y, z float64) imaging.Point {
		u, v := x*cy+z*sy, y
		return imaging.Point{X: 100 + u*cr - v*sr, Y: 80 + u*sr + v*cr}
	}
	return map[string]imaging.Point{"right_eye": see(-30, 0, 0), "left_eye": see(30, 0, 0), "nose": see(0, 40, 36)}
}

func TestYaw(t *testing.T) {
	for _, want := range []float64{-80, -45, -10, 0, 5, 30, 60} {
		for _, roll := range []float64{-30, 0, 20} {
			if got := quality.Yaw(head(want, roll)); math.Abs(got-want) > 1e-6 {
				t.Errorf("yaw %v of a head turned by %v and tilted by %v", got, want, roll)
			}
		}
	}
	blind := head(10, 0)
	delete(blind, "nose")
	point := head(10, 0)
	point["left_eye"] = point["right_eye"]
	for name, points := range map[string]map[string]imaging.Point{"no nose": blind, "one eye": point, "nothing": nil} {
		if got := quality.Yaw(points); !math.IsNaN(got) {
			t.Errorf("%s: yaw %v", name, got)
		}
	}
}

func TestCheck(t *testing.T) {
	good := quality.Figures{FacePixels: 80, Sharpness: quality.MinSharpness, Brightness: quality.MinBrightness, Yaw: -quality.MaxYaw}
	for name, test := range map[string]struct {
		change func(*quality.Figures)
		want   faultv1.Reason
	}{
		"just good enough": {func(*quality.Figures) {}, 0},
		"unknown yaw":      {func(f *quality.Figures) { f.Yaw = math.NaN() }, 0},
		"blurred":          {func(f *quality.Figures) { f.Sharpness -= 0.01; f.Brightness = 0 }, faultv1.Reason_REASON_FACE_BLURRED},
		"dark":             {func(f *quality.Figures) { f.Brightness -= 0.01; f.Yaw = 89 }, faultv1.Reason_REASON_FACE_TOO_DARK},
		"to the left":      {func(f *quality.Figures) { f.Yaw = quality.MaxYaw + 1 }, faultv1.Reason_REASON_FACE_TURNED_AWAY},
		"to the right":     {func(f *quality.Figures) { f.Yaw = -quality.MaxYaw - 1 }, faultv1.Reason_REASON_FACE_TURNED_AWAY},
	} {
		t.Run(name, func(t *testing.T) {
			f := good
			test.change(&f)
			err := quality.Check(f)
			if test.want == 0 && err != nil || test.want != 0 && !fault.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestMeasureOutsideThePhoto(t *testing.T) {
	photo := imaging.NewRGB(30, 20)
	for _, box := range []imaging.Box{{X: -50, Y: -50, W: 10, H: 10}, {X: 100, Y: 100, W: 5, H: 5}, {X: -1e9, Y: 0, W: 2e9, H: 1}, {X: 10, Y: 10}} {
		if f := quality.Measure(photo, box, nil); math.IsNaN(f.Sharpness) || f.Brightness != 0 {
			t.Errorf("%v: %+v", box, f)
		}
	}
}
