package api

import (
	"testing"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/bundle"
)

func TestPicturesByWordsAreNotCorrectedUnasked(t *testing.T) {
	m := &bundle.Manifest{Sampling: bundle.Sampling{Corrections: 2}}
	for name, test := range map[string]struct {
		asked *gatewayv1.Generation
		want  int32
	}{
		"by a style picture":         {&gatewayv1.Generation{}, 2},
		"by words":                   {&gatewayv1.Generation{Prompt: "a beard"}, 0},
		"by both":                    {&gatewayv1.Generation{Prompt: "a beard", Alpha: new(float32(0.5))}, 0},
		"by words that do not count": {&gatewayv1.Generation{Prompt: "a beard", Alpha: new(float32(1))}, 2},
		"one of them by words": {&gatewayv1.Generation{Prompt: "a beard", Alpha: new(float32(1)), Subjects: []*gatewayv1.GenerationSubject{
			{}, {Alpha: new(float32(0.3))},
		}}, 0},
		"by words, asked": {&gatewayv1.Generation{Prompt: "a beard", Corrections: new(int32(1))}, 1},
		"none asked":      {&gatewayv1.Generation{Corrections: new(int32(0))}, 0},
	} {
		fillDefaults(test.asked, m)
		if got := test.asked.GetCorrections(); test.asked.Corrections == nil || got != test.want {
			t.Errorf("%s: %d corrections, want %d", name, got, test.want)
		}
	}
}
