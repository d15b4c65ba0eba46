package bundle_test

import (
	"strings"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/bundle"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/testkit"
)

func TestServes(t *testing.T) {
	b := testkit.TinyBundle(t)
	for _, digest := range []string{"", b.Digest()} {
		if err := b.Serves(digest); err != nil {
			t.Errorf("%q: %v", digest, err)
		}
	}
	for _, digest := range []string{b.ID(), strings.Repeat("0", 64)} {
		f := fault.From(b.Serves(digest))
		if f == nil || f.Reason != faultv1.Reason_REASON_BUNDLE_MISMATCH || f.Field != "bundle" {
			t.Errorf("%q: %v", digest, f)
		}
	}
}

func TestBatching(t *testing.T) {
	m := bundle.Manifest{
		BatchInvariant:  map[string]bool{"unet": true, "clip_text": true, "prior": false},
		BatchOneDiffers: []string{"unet"},
	}
	for role, want := range map[bundle.Role]bundle.Batching{
		bundle.ClipText:   {Max: 8, Min: 1},
		bundle.UNet:       {Max: 8, Min: 2},
		bundle.PriorModel: {Max: 1, Min: 1},
		bundle.VAEDecoder: {Max: 1, Min: 1}, // not told
	} {
		if got := m.Batching(role, 8); got != want {
			t.Errorf("%s: %+v, want %+v", role, got, want)
		}
	}
	if got := m.Batching(bundle.UNet, 1); got.Max < got.Min {
		t.Errorf("limit 1: %+v", got)
	}
}
