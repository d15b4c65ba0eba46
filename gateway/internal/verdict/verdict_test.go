package verdict_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/verdict"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/imaging"
)

// unit is a vector of 4 axes with unit length.
func unit(v ...float64) []float32 {
	out := make([]float32, 4)
	var sum float64
	for _, x := range v {
		sum += x * x
	}
	for i, x := range v {
		out[i] = float32(x / math.Sqrt(sum))
	}
	return out
}

var levels = verdict.LevelsOf(nil)

var (
	ada, bob    = unit(1), unit(0, 1)
	nobody      = unit(0, 0, 0, 1)
	left, right = imaging.Box{X: 0, Y: 0, W: 50, H: 50}, imaging.Box{X: 100, Y: 0, W: 50, H: 50}
)

func at(place imaging.Box, e []float32) verdict.Face {
	return verdict.Face{Box: imaging.Box{X: place.X + 10, Y: 10, W: 30, H: 30}, Embedding: e}
}

func someone(name string, e []float32, place *imaging.Box) verdict.Person {
	return verdict.Person{Name: name, Embedding: e, Place: place}
}

func kinds(v verdict.Verdict) []verdict.Kind {
	var out []verdict.Kind
	for _, w := range v.Warnings {
		out = append(out, w.Kind)
	}
	return out
}

func TestJudge(t *testing.T) {
	one := []verdict.Person{someone("ada", ada, nil)}
	placed := []verdict.Person{someone("ada", ada, &left), someone("bob", bob, &right)}
	free := []verdict.Person{someone("ada", ada, nil), someone("bob", bob, nil)}
	mix := []verdict.Person{{Name: "mix", Embedding: unit(1, 1), Parts: [][]float32{ada, bob}}}
	for name, c := range map[string]struct {
		faces  []verdict.Face
		people []verdict.Person
		least  float64
		of     []int
		kinds  []verdict.Kind
		says   string
	}{
		"one":                   {[]verdict.Face{at(left, unit(3, 1, 1))}, one, -1, []int{0}, nil, ""},
		"one with a bystander":  {[]verdict.Face{at(left, nobody), at(right, ada)}, one, -1, []int{verdict.Nobody, 0}, nil, ""},
		"nobody":                {nil, one, -1, nil, []verdict.Kind{verdict.Missing}, "ada is missing"},
		"a stranger":            {[]verdict.Face{at(left, nobody)}, one, -1, []int{0}, []verdict.Kind{verdict.Missing}, "strangers"},
		"below the wanted":      {[]verdict.Face{at(left, unit(1, 0, 0, 2))}, one, 0.6, []int{0}, []verdict.Kind{verdict.Unlike}, "below the wanted 0.60"},
		"above the wanted":      {[]verdict.Face{at(left, unit(1, 0, 0, 1))}, one, 0.6, []int{0}, nil, ""},
		"too small to compare":  {[]verdict.Face{at(left, nil)}, one, -1, []int{verdict.Nobody}, []verdict.Kind{verdict.Missing}, "ada is missing"},
		"two":                   {[]verdict.Face{at(right, unit(0, 3, 1)), at(left, unit(3, 0, 1))}, placed, -1, []int{1, 0}, nil, ""},
		"two without places":    {[]verdict.Face{at(right, bob), at(left, ada)}, free, -1, []int{1, 0}, nil, ""},
		"exchanged":             {[]verdict.Face{at(left, bob), at(right, ada)}, placed, -1, []int{1, 0}, []verdict.Kind{verdict.Misplaced, verdict.Misplaced}, "ada stands where bob was placed"},
		"the place decides":     {[]verdict.Face{at(left, unit(1, 1.02, 2)), at(right, unit(1.02, 1, 2))}, placed, -1, []int{0, 1}, []verdict.Kind{verdict.Blended, verdict.Blended, verdict.Unlike, verdict.Unlike}, "nearer to bob"},
		"one of two is missing": {[]verdict.Face{at(left, ada)}, placed, -1, []int{0}, []verdict.Kind{verdict.Missing}, "bob is missing"},
		"a bystander elsewhere": {[]verdict.Face{at(left, ada), {Box: imaging.Box{X: 300, Y: 300, W: 9, H: 9}, Embedding: nobody}}, placed, -1, []int{0, verdict.Nobody}, []verdict.Kind{verdict.Missing}, "bob is missing"},
		"blended":               {[]verdict.Face{at(left, unit(3, 2)), at(right, bob)}, placed, -1, []int{0, 1}, []verdict.Kind{verdict.Blended}, "also close to bob"},
		"a mix on purpose":      {[]verdict.Face{at(left, unit(3, 2))}, mix, -1, []int{0}, []verdict.Kind{verdict.Blended}, "people of its mix"},
		"a mix that is one":     {[]verdict.Face{at(left, unit(5, 1))}, mix, -1, []int{0}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := levels.Judge(c.faces, c.people, c.least)
			if !slices.Equal(v.Of, c.of) || !slices.Equal(kinds(v), c.kinds) {
				t.Errorf("faces are %v, want %v; warnings %+v, want %v", v.Of, c.of, v.Warnings, c.kinds)
			}
			var said strings.Builder
			for _, w := range v.Warnings {
				said.WriteString(w.Message + "\n")
			}
			if !strings.Contains(said.String(), c.says) {
				t.Errorf("it says %q, not %q", said.String(), c.says)
			}
		})
	}
}

func TestScore(t *testing.T) {
	people := []verdict.Person{someone("ada", ada, nil), someone("bob", bob, nil)}
	both := levels.Judge([]verdict.Face{at(left, unit(4, 0, 3)), at(right, unit(0, 3, 4))}, people, -1)
	if got := both.Score(2); math.Abs(got-0.6) > 1e-6 {
		t.Errorf("score %v, want 0.6", got)
	}
	if s, ok := both.Similarity(0); !ok || math.Abs(s-0.8) > 1e-6 {
		t.Errorf("similarity %v, %v", s, ok)
	}
	one := levels.Judge([]verdict.Face{at(left, ada)}, people, -1)
	if got := one.Score(2); got != -1 {
		t.Errorf("score %v, want -1", got)
	}
}

// The order of the subjects does not matter.
func TestOrderOfPeople(t *testing.T) {
	chance := rand.New(rand.NewPCG(7, 7))
	random := func() []float32 {
		return unit(chance.NormFloat64(), chance.NormFloat64(), chance.NormFloat64(), chance.NormFloat64())
	}
	for range 200 {
		people := make([]verdict.Person, 1+chance.IntN(5))
		for i := range people {
			people[i] = someone(string(rune('a'+i)), random(), nil)
			if chance.IntN(2) == 0 {
				people[i].Place = &imaging.Box{X: float64(60 * chance.IntN(3)), W: 50, H: 50}
			}
		}
		faces := make([]verdict.Face, chance.IntN(7))
		for i := range faces {
			faces[i] = at(imaging.Box{X: float64(60 * chance.IntN(3))}, random())
		}
		want := levels.Judge(faces, people, 0.3)
		order := chance.Perm(len(people))
		turned := make([]verdict.Person, len(people))
		for i, from := range order {
			turned[i] = people[from]
		}
		got := levels.Judge(faces, turned, 0.3)
		for i, of := range got.Of {
			if of != verdict.Nobody {
				of = order[of]
			}
			if of != want.Of[i] {
				t.Fatalf("face %d is %d, and %d in another order", i, want.Of[i], of)
			}
		}
		if len(got.Warnings) != len(want.Warnings) || math.Abs(got.Score(len(people))-want.Score(len(people))) > 1e-12 {
			t.Fatalf("%d warnings, and %d in another order", len(want.Warnings), len(got.Warnings))
		}
	}
}

// The assignment is the best of all, by trying every one.
func TestAssignmentIsTheBest(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		people := make([]verdict.Person, 1+chance.IntN(4))
		for i := range people {
			people[i] = someone("p", unit(chance.NormFloat64(), chance.NormFloat64(), chance.NormFloat64(), 1), nil)
		}
		faces := make([]verdict.Face, 1+chance.IntN(5))
		for i := range faces {
			faces[i] = at(left, unit(chance.NormFloat64(), chance.NormFloat64(), chance.NormFloat64(), 1))
		}
		v := levels.Judge(faces, people, -1)
		sum := func(of []int) (int, float64) {
			given, total := 0, 0.0
			for i, j := range of {
				if j != verdict.Nobody {
					given, total = given+1, total+v.Similarities[i][j]
				}
			}
			return given, total
		}
		given, total := sum(v.Of)
		var try func(of []int)
		try = func(of []int) {
			if len(of) == len(faces) {
				if g, s := sum(of); g > given || (g == given && s > total+1e-9) {
					t.Fatalf("%v is better than %v", of, v.Of)
				}
				return
			}
			for j := verdict.Nobody; j < len(people); j++ {
				if j == verdict.Nobody || !slices.Contains(of, j) {
					try(append(slices.Clone(of), j))
				}
			}
		}
		try(nil)
	}
}

// Another face encoder has other similarities: what it tells of strangers moves
// the levels.
func TestLevelsAreThoseOfTheEncoder(t *testing.T) {
	sharp := verdict.LevelsOf(&bundle.Similarity{Strangers: bundle.Spread{Mean: 0.25, Deviation: 0.125}, BlendShare: 0.5})
	if sharp != (verdict.Levels{Stranger: 0.375, Place: 0.125, Blend: 0.5}) {
		t.Errorf("the levels are %+v", sharp)
	}
	one := []verdict.Person{someone("ada", ada, nil)}
	faint := []verdict.Face{at(left, unit(1, 0, 0, 4))}
	if got := levels.Judge(faint, one, -1); len(got.Warnings) != 0 {
		t.Errorf("warnings %+v", got.Warnings)
	}
	if got := sharp.Judge(faint, one, -1); !slices.Equal(kinds(got), []verdict.Kind{verdict.Missing}) {
		t.Errorf("warnings %+v", got.Warnings)
	}
	if mix := unit(5, 2.2); !levels.IsBlend(mix, ada, bob) || sharp.IsBlend(mix, ada, bob) {
		t.Error("the share of a blend is not the encoder's")
	}
}

func TestShares(t *testing.T) {
	// Two people who are like each other: a face of one has nothing of the other.
	a, b := unit(1), unit(0.6, 0.8)
	x, y, ok := verdict.Shares(unit(1, 0, 1), a, b)
	if !ok || math.Abs(x-math.Sqrt(0.5)) > 1e-6 || math.Abs(y) > 1e-6 {
		t.Errorf("shares %v and %v, %v", x, y, ok)
	}
	half := unit(float64(a[0]+b[0]), float64(a[1]+b[1]))
	if x, y, ok = verdict.Shares(half, a, b); !ok || math.Abs(x-y) > 1e-6 {
		t.Errorf("shares of a 50:50 mix %v and %v, %v", x, y, ok)
	}
	if levels.IsBlend(unit(1, 0, 1), a, b) || !levels.IsBlend(half, a, b) {
		t.Error("a likeness counts as a blend, or a mix does not")
	}
	if _, _, ok := verdict.Shares(a, a, unit(1, 0.1)); ok {
		t.Error("two people who are one can be told apart")
	}
}
