package identity_test

import (
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/identity"
	"github.com/facestudio/facestudio/services/bundle"
)

func TestLevelsBelongToTheEncoder(t *testing.T) {
	for name, test := range map[string]struct {
		similarity *bundle.Similarity
		want       identity.Levels
	}{
		"strangers near to each other": {&bundle.Similarity{Strangers: bundle.Spread{Mean: 0.2, Deviation: 0.1}}, identity.Levels{Same: 0.3, Pair: 0.25}},
		"nothing told":                 {nil, identity.Levels{Same: 0.117, Pair: 0.073}},
	} {
		got := identity.LevelsOf(test.similarity)
		if d := got.Same - test.want.Same; d*d > 1e-12 {
			t.Errorf("%s: same is %v, want %v", name, got.Same, test.want.Same)
		}
		if d := got.Pair - test.want.Pair; d*d > 1e-12 {
			t.Errorf("%s: pair is %v, want %v", name, got.Pair, test.want.Pair)
		}
	}
}
