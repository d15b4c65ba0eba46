package detect_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/facestudio/facestudio/encoder-svc/internal/detect"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit"
)

// golden is services/imaging/testdata/blazeface.json, written by
// training/facestudio_training/golden.
type golden struct {
	Tolerance       float64
	Scale           float64
	Left, Top       int
	CandidatesInAll int `json:"candidates_in_all"`
	Candidates      []struct {
		Index  int
		Logit  float32
		Values []float32
	}
	Faces []struct {
		Score  float64
		Box    [4]float64
		Points map[string][2]float64
	}
}

func TestDecodeGolden(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testkit.Root(t), "services", "imaging", "testdata", "blazeface.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want golden
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	d := detect.New(nil, testkit.TinyBundle(t).Manifest.FaceDetector)
	const width = 16
	logits, values := make([]float32, want.CandidatesInAll), make([]float32, want.CandidatesInAll*width)
	for i := range logits {
		logits[i] = -100
	}
	for _, c := range want.Candidates {
		logits[c.Index] = c.Logit
		copy(values[c.Index*width:], c.Values)
	}
	faces := d.Decode(logits, values, detect.Letterbox{Scale: want.Scale, Left: want.Left, Top: want.Top})
	if len(faces) != len(want.Faces) {
		t.Fatalf("%d faces, want %d", len(faces), len(want.Faces))
	}
	for i, f := range faces {
		w := want.Faces[i]
		near(t, want.Tolerance, "score", f.Score, w.Score)
		for j, got := range []float64{f.Box.X, f.Box.Y, f.Box.W, f.Box.H} {
			near(t, want.Tolerance, "box", got, w.Box[j])
		}
		landmarks := d.Landmarks(f)
		for name, p := range w.Points {
			near(t, want.Tolerance, name, landmarks[name].X, p[0])
			near(t, want.Tolerance, name, landmarks[name].Y, p[1])
		}
	}
}

func near(t *testing.T, tolerance float64, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// finder is a network that sees the one white pixel of a picture as a face of
// twice the size that it was drawn with.
type finder struct {
	spec  bundle.FaceDetector
	calls int
	least float32 // sum of the pixels from which on it sees anything
}

func (f *finder) Candidates(_ context.Context, pixels *tensor.Tensor) (logits, values []float32, err error) {
	f.calls++
	side := f.spec.Input.Size
	cells, each := f.spec.Grids[0].Cells, f.spec.Grids[0].PerCell
	anchors := 0
	for _, g := range f.spec.Grids {
		anchors += g.Anchors()
	}
	logits, values = make([]float32, anchors), make([]float32, anchors*16)
	for i := range logits {
		logits[i] = -10
	}
	var sum, sx, sy float32
	for i := range side * side {
		v := (pixels.Data[3*i] + 1) / 2
		sum += v
		sx += v * (float32(i%side) + 0.5)
		sy += v * (float32(i/side) + 0.5)
	}
	if sum <= f.least {
		return logits, values, nil
	}
	x, y := sx/sum, sy/sum
	cell := float32(side) / float32(cells)
	index := (int(y/cell)*cells + int(x/cell)) * each
	logits[index] = 3
	row := values[16*index:]
	row[0] = x - (float32(int(x/cell))+0.5)*cell
	row[1] = y - (float32(int(y/cell))+0.5)*cell
	row[2], row[3] = 2*float32(math.Sqrt(float64(sum))), 2*float32(math.Sqrt(float64(sum)))
	for j := 4; j < 16; j += 2 {
		row[j], row[j+1] = row[0], row[1]
	}
	return logits, values, nil
}

func TestFacesOfAnySize(t *testing.T) {
	spec := testkit.TinyBundle(t).Manifest.FaceDetector
	for name, test := range map[string]struct {
		w, h, x, y, side int     // a white square on black
		least            float32 // what the network needs to see it
		calls            int     // of the network: the whole, its parts, a nearer look
	}{
		"square":                {128, 128, 40, 60, 20, 1, 1 + 1},
		"wide":                  {600, 120, 450, 15, 90, 1, 1 + 1},
		"tall":                  {160, 1000, 10, 700, 130, 1, 1 + 1},
		"small picture":         {40, 32, 10, 8, 16, 1, 1},
		"found without padding": {128, 128, 40, 60, 20, 300, 2 + 1},
		"found in a part":       {512, 384, 40, 30, 30, 100, 2 + 6 + 1},
		"found in a small part": {512, 384, 40, 30, 20, 100, 2 + 6 + 24 + 1},
		"small beside none":     {512, 384, 40, 30, 30, 1, 1 + 6 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			network := &finder{spec: spec, least: test.least}
			p := imaging.NewRGB(test.w, test.h)
			box := imaging.Box{X: float64(test.x), Y: float64(test.y), W: float64(test.side), H: float64(test.side)}
			imaging.FillBox(p, box, 1, [3]uint8{255, 255, 255})
			faces, err := detect.New(network, spec).Faces(t.Context(), p)
			if err != nil || len(faces) != 1 || network.calls != test.calls {
				t.Fatalf("%d faces in %d calls, %v", len(faces), network.calls, err)
			}
			f := faces[0]
			// Half a pixel of the network's: pictures are put there in whole ones.
			half := 0.5 + 0.5*spec.Input.Pad*float64(max(test.w, test.h))/float64(spec.Input.Size)
			near(t, half, "middle x", f.Box.X+f.Box.W/2, box.X+box.W/2)
			near(t, half, "middle y", f.Box.Y+f.Box.H/2, box.Y+box.H/2)
			near(t, 2+half, "width", f.Box.W, 2*box.W)
			near(t, half, "a point", f.Points[0].X, box.X+box.W/2)
		})
	}
}

func TestFacesOfNothing(t *testing.T) {
	spec := testkit.TinyBundle(t).Manifest.FaceDetector
	faces, err := detect.New(&finder{spec: spec, least: 1}, spec).Faces(t.Context(), imaging.NewRGB(300, 200))
	if err != nil || len(faces) != 0 {
		t.Errorf("%v, %v", faces, err)
	}
}

// broken is a network that fails, or computes nonsense.
type broken struct {
	err     error
	anchors int
}

func (b broken) Candidates(context.Context, *tensor.Tensor) (logits, values []float32, err error) {
	logits, values = make([]float32, b.anchors), make([]float32, 16*b.anchors)
	for i := range values {
		values[i] = float32(math.NaN())
	}
	for i := range logits {
		logits[i] = 100
	}
	return logits, values, b.err
}

func TestFacesOfABrokenNetwork(t *testing.T) {
	spec := testkit.TinyBundle(t).Manifest.FaceDetector
	failure := errors.New("no")
	if _, err := detect.New(broken{err: failure, anchors: 896}, spec).Faces(t.Context(), imaging.NewRGB(9, 9)); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	faces, err := detect.New(broken{anchors: 896}, spec).Faces(t.Context(), imaging.NewRGB(9, 9))
	if err != nil || len(faces) != 0 {
		t.Errorf("undefined values made faces: %v, %v", faces, err)
	}
}
