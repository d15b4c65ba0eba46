package mask_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/mask"
)

// row is three people side by side, each face 20 pixels wide.
var row = []imaging.Box{{X: 10, Y: 30, W: 20, H: 20}, {X: 60, Y: 30, W: 20, H: 20}, {X: 110, Y: 30, W: 20, H: 20}}

func person(n int) mask.Place           { return mask.Place{Person: &n} }
func point(x, y float64) mask.Place     { return mask.Place{Point: &imaging.Point{X: x, Y: y}} }
func box(x, y, w, h float64) mask.Place { return mask.Place{Box: &imaging.Box{X: x, Y: y, W: w, H: h}} }
func anywhere() mask.Place              { return mask.Place{} }
func covering(x0, x1 float64) mask.Place {
	return mask.Place{Covers: func(p imaging.Point) bool { return p.X >= x0 && p.X < x1 }}
}

func TestBind(t *testing.T) {
	tests := map[string]struct {
		places []mask.Place
		want   []int
	}{
		"left to right":                     {[]mask.Place{anywhere(), anywhere()}, []int{0, 1}},
		"by index":                          {[]mask.Place{person(2), person(0)}, []int{2, 0}},
		"by index, the other where room is": {[]mask.Place{anywhere(), person(0)}, []int{1, 0}},
		"by a point in the face":            {[]mask.Place{point(70, 40), anywhere()}, []int{1, 0}},
		"by a point on the body":            {[]mask.Place{point(118, 75)}, []int{2}},
		"by a box in the face":              {[]mask.Place{box(62, 32, 10, 10)}, []int{1}},
		"by a box around the person":        {[]mask.Place{box(100, 0, 45, 200)}, []int{2}},
		"by a box over more of one":         {[]mask.Place{box(15, 30, 65, 20)}, []int{1}},
		"a mask of its own over one":        {[]mask.Place{anywhere(), covering(0, 50)}, []int{1, 0}},
		"a mask of its own over nobody":     {[]mask.Place{anywhere(), covering(200, 250)}, []int{0, mask.Nobody}},
		"a mask over two leaves only one":   {[]mask.Place{covering(0, 90), anywhere()}, []int{0, 2}},
		"nobody wanted":                     {nil, []int{}},
		"a fourth with a mask where no face is": {
			[]mask.Place{anywhere(), anywhere(), anywhere(), covering(200, 250)}, []int{0, 1, 2, mask.Nobody},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := mask.Bind(test.places, row)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("bound to %v, want %v", got, test.want)
			}
		})
	}
}

func TestBindRefuses(t *testing.T) {
	tests := map[string]struct {
		places []mask.Place
		reason faultv1.Reason
		field  string
	}{
		"person 5 of 3":       {[]mask.Place{anywhere(), person(5)}, faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[1].at"},
		"person -1":           {[]mask.Place{person(-1)}, faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[0].at"},
		"a point far away":    {[]mask.Place{point(500, 40)}, faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[0].at"},
		"a point nowhere":     {[]mask.Place{point(math.NaN(), 40)}, faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[0].at"},
		"a box beside all":    {[]mask.Place{box(200, 0, 30, 30)}, faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[0].at"},
		"a box over an ear":   {[]mask.Place{box(25, 30, 30, 30)}, faultv1.Reason_REASON_UNKNOWN_PERSON, "subjects[0].at"},
		"the same one twice":  {[]mask.Place{person(1), person(1)}, faultv1.Reason_REASON_PERSON_TAKEN, "subjects[1].at"},
		"a mask over a taken": {[]mask.Place{person(0), covering(0, 50)}, faultv1.Reason_REASON_PERSON_TAKEN, "subjects[1].at"},
		"four":                {make([]mask.Place, 4), faultv1.Reason_REASON_SUBJECTS_EXCEED_PEOPLE, "subjects"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := mask.Bind(test.places, row)
			f := fault.From(err)
			if f == nil || f.Reason != test.reason || f.Field != test.field || f.Message == "" {
				t.Errorf("got %+v, want %v at %s", f, test.reason, test.field)
			}
		})
	}
}

// The order of subjects that all say where they go does not matter.
func TestBindDoesNotDependOnTheOrder(t *testing.T) {
	places := []mask.Place{person(1), point(20, 40), covering(105, 140), covering(200, 230)}
	want := []int{1, 0, 2, mask.Nobody}
	draw := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // not a secret
	for range 20 {
		order := draw.Perm(len(places))
		shuffled := make([]mask.Place, len(places))
		for k, i := range order {
			shuffled[k] = places[i]
		}
		got, err := mask.Bind(shuffled, row)
		if err != nil {
			t.Fatal(err)
		}
		for k, i := range order {
			if got[k] != want[i] {
				t.Errorf("in the order %v, subject %d went to %d, want %d", order, i, got[k], want[i])
			}
		}
	}
}

func FuzzBind(f *testing.F) {
	f.Add(uint8(3), 2, 70.0, 40.0, 30.0, 30.0)
	f.Fuzz(func(t *testing.T, people uint8, index int, x, y, w, h float64) {
		faces := slices.Clone(row[:min(int(people), len(row))])
		places := []mask.Place{person(index), point(x, y), box(x, y, w, h), covering(x, x+w), anywhere()}
		for n := range places {
			for m := range places {
				bound, err := mask.Bind([]mask.Place{places[n], places[m]}, faces)
				if err != nil {
					if fault.From(err).Kind != fault.Invalid {
						t.Fatal(err)
					}
					continue
				}
				if bound[0] == bound[1] && bound[0] != mask.Nobody {
					t.Fatalf("both are person %d", bound[0])
				}
				for _, b := range bound {
					if b < mask.Nobody || b >= len(faces) {
						t.Fatalf("person %d of %d", b, len(faces))
					}
				}
			}
		}
	})
}

func TestRectangle(t *testing.T) {
	got := mask.Rectangle(imaging.Box{X: 2, Y: 1, W: 4, H: 2}, 8, 4, 0)
	for i, v := range got {
		x, y := i%8, i/8
		want := float32(0)
		if x >= 2 && x < 6 && y >= 1 && y < 3 {
			want = 1
		}
		if v != want {
			t.Errorf("at %d,%d: %g, want %g", x, y, v, want)
		}
	}
	soft := mask.Rectangle(imaging.Box{X: -5, Y: -5, W: 9, H: 90}, 8, 4, 1)
	if soft[0] != 1 || soft[7] != 0 || !(soft[3] > 0.5 && soft[3] < 1 && soft[4] < 0.5 && soft[4] > 0) {
		t.Errorf("a box over the left half: %v", soft[:8])
	}
}

func TestWithoutAndExcess(t *testing.T) {
	a, b := []float32{1, 0.5, 0, 1}, []float32{0, 0.25, 1, 1}
	if got := mask.Excess([][]float32{a, b}); got != 1 {
		t.Errorf("excess is %g, want 1", got)
	}
	mask.Without(a, b)
	if want := []float32{1, 0.5, 0, 0}; !slices.Equal(a, want) {
		t.Errorf("got %v, want %v", a, want)
	}
	if got := mask.Excess([][]float32{a, b}); got != 0 {
		t.Errorf("excess is %g, want 0", got)
	}
	if got := mask.Excess(nil); got != 0 {
		t.Errorf("excess of nothing is %g", got)
	}
}

func TestBounds(t *testing.T) {
	m := mask.Rectangle(imaging.Box{X: 2, Y: 1, W: 3, H: 2}, 8, 4, 0)
	if got, ok := mask.Bounds(m, 8, 4); !ok || got != (imaging.Box{X: 2, Y: 1, W: 3, H: 2}) {
		t.Errorf("bounds are %v, %t", got, ok)
	}
	if got, ok := mask.Bounds(make([]float32, 32), 8, 4); ok {
		t.Errorf("nothing has bounds %v", got)
	}
}
