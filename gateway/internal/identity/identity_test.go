package identity_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/identity"
	"github.com/facestudio/facestudio/services/tensor"
)

func random(seed uint64) []float32 {
	draw := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not a secret
	v := make([]float32, 512)
	for i := range v {
		v[i] = float32(draw.NormFloat64())
	}
	if err := tensor.Normalize(v); err != nil {
		panic(err)
	}
	return v
}

// near is a photo of the person: mostly like it.
func near(person []float32, seed uint64) []float32 {
	v := slices.Clone(person)
	for i, n := range random(seed) {
		v[i] += 0.5 * n
	}
	if err := tensor.Normalize(v); err != nil {
		panic(err)
	}
	return v
}

func mix(t *testing.T, rows [][]float32, weights ...float32) []float32 {
	t.Helper()
	m, err := identity.Mix(rows, weights)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func far(a, b []float32) (most float64) {
	for i := range a {
		most = max(most, math.Abs(float64(a[i]-b[i])))
	}
	return most
}

func TestAMixOfAPersonWithItselfIsThatPerson(t *testing.T) {
	ada := random(1)
	for _, w := range [][]float32{{1, 1}, {0.3, 0.7}, {1e-6, 40}} {
		if d := far(mix(t, [][]float32{ada, ada}, w...), ada); d > 1e-7 {
			t.Errorf("weights %v: %g away", w, d)
		}
	}
}

func TestMix(t *testing.T) {
	ada, bob := random(1), random(2)
	rows := [][]float32{ada, bob}
	if !slices.Equal(mix(t, rows, 1, 3), mix(t, rows, 0.25, 0.75)) {
		t.Error("the weights are not divided by their sum")
	}
	if !slices.Equal(mix(t, rows, 1, 3), mix(t, [][]float32{bob, ada}, 3, 1)) {
		t.Error("the order of two people matters")
	}
	half := mix(t, rows, 1, 1)
	if n := tensor.Norm(half); math.Abs(n-1) > 1e-6 {
		t.Errorf("its length is %g", n)
	}
	if a, b := tensor.Cosine(half, ada), tensor.Cosine(half, bob); math.Abs(a-b) > 1e-6 {
		t.Errorf("half and half is %g like one and %g like the other", a, b)
	}
	if m := mix(t, rows, 1, 9); tensor.Cosine(m, bob) < tensor.Cosine(m, ada) {
		t.Error("the heavier one is less like the mix")
	}
}

func TestMixRefuses(t *testing.T) {
	ada := random(1)
	against := slices.Clone(ada)
	for i := range against {
		against[i] = -against[i]
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, test := range map[string]struct {
		rows    [][]float32
		weights []float32
	}{
		"nobody":                   {nil, nil},
		"a weight too few":         {[][]float32{ada, ada}, []float32{1}},
		"a weight of 0":            {[][]float32{ada, ada}, []float32{1, 0}},
		"a negative weight":        {[][]float32{ada, ada}, []float32{1, -1}},
		"no number":                {[][]float32{ada, ada}, []float32{1, nan}},
		"an infinite weight":       {[][]float32{ada, ada}, []float32{inf, 1}},
		"faces that cancel it all": {[][]float32{ada, against}, []float32{1, 1}},
	} {
		if m, err := identity.Mix(test.rows, test.weights); err == nil {
			t.Errorf("%s: %v", name, m[:1])
		}
	}
}

func TestOutliers(t *testing.T) {
	ada := random(1)
	bob := random(2)
	photos := func(who ...[]float32) (rows [][]float32) {
		for i, person := range who {
			rows = append(rows, near(person, uint64(10+i)))
		}
		return rows
	}
	for name, test := range map[string]struct {
		rows [][]float32
		want []bool
	}{
		"one":                 {photos(ada), []bool{false}},
		"two of one person":   {photos(ada, ada), []bool{false, false}},
		"two of two people":   {photos(ada, bob), []bool{false, false}},
		"one of three":        {photos(ada, bob, ada), []bool{false, true, false}},
		"two of five":         {photos(ada, random(3), ada, ada, bob), []bool{false, true, false, false, true}},
		"all of one person":   {photos(ada, ada, ada, ada), make([]bool, 4)},
		"nobody":              {nil, []bool{}},
		"all of other people": {photos(ada, bob, random(3)), []bool{false, false, true}},
	} {
		got := identity.Outliers(test.rows, identity.LevelsOf(nil).Same)
		if name == "all of other people" {
			// Which one goes first is chance; two always stay.
			if n := len(slices.DeleteFunc(got, func(b bool) bool { return b })); n < 2 {
				t.Errorf("%s: %d stay", name, n)
			}
			continue
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestAgreement(t *testing.T) {
	ada := random(1)
	got := identity.Agreement([][]float32{ada, ada, random(2)})
	if got[0] < 0.5 || got[2] > 0.2 {
		t.Errorf("agreements are %v", got)
	}
	if one := identity.Agreement([][]float32{ada}); one[0] != 1 {
		t.Errorf("a single photo agrees by %g", one[0])
	}
	if mean, err := identity.Mean([][]float32{ada, ada}); err != nil || far(mean, ada) > 1e-7 {
		t.Errorf("the mean of the same photo twice is another: %v", err)
	}
}

func TestCorrected(t *testing.T) {
	wanted := []float32{0.6, 0.8}
	for name, test := range map[string]struct{ aim, got, want []float32 }{
		"nothing lacks":  {wanted, wanted, wanted},
		"turned too far": {wanted, []float32{0, 1}, []float32{0.7894, 0.6139}},
		"a second time":  {[]float32{1, 0}, []float32{0.8, 0.6}, []float32{0.9939, 0.1104}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := identity.Corrected(test.aim, wanted, test.got)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range got {
				if math.Abs(float64(v-test.want[i])) > 1e-3 {
					t.Errorf("got %v, want %v", got, test.want)
				}
			}
		})
	}
	for name, test := range map[string]struct{ aim, got []float32 }{
		"another length": {[]float32{1, 0, 0}, wanted},
		"nothing left":   {[]float32{0, 0}, wanted},
	} {
		if _, err := identity.Corrected(test.aim, wanted, test.got); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
