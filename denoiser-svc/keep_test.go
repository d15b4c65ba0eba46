package denoiser_test

import (
	"bytes"
	"slices"
	"testing"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	"github.com/facestudio/facestudio/services/imaging"
)

// stylePicture is a gradient of the canvas' size.
func stylePicture(t *testing.T) (*imaging.RGB, []byte) {
	t.Helper()
	p := imaging.NewRGB(side, side)
	for i := range side * side {
		p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2] = uint8(8*(i%side)), uint8(8*(i/side)), 90
	}
	data, err := imaging.EncodePNG(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p, data
}

func TestKeepKeeps(t *testing.T) {
	client := dial(t)
	style, data := stylePicture(t)
	req := request(t)
	req.Background = denoiserv1.Background_BACKGROUND_KEEP
	req.Style = inline(data)
	req.Identities[0].Mask = maskPicture(t, slices.Repeat([]float32{1, 1, 0, 0}, 4))
	req.PreviewEvery = 1
	png, events := denoise(t, client, req)
	got := pixels(t, png)
	preview := pixels(t, events[0].GetPreview().GetData())
	changed, near := 0, 0
	for i := range side * side {
		same := bytes.Equal(got[3*i:3*i+3], style.Pix[3*i:3*i+3])
		switch x := i % side; {
		// The mask ends at 16; its edge is a pixel wide.
		case x > 16 && !same:
			t.Fatalf("pixel %d, %d is not the style picture's", x, i/side)
		case x < 15 && !same:
			changed++
		}
		// JPEG is lossy.
		if d := int(preview[3*i]) - int(style.Pix[3*i]); i%side > 24 && d > -40 && d < 40 {
			near++
		}
	}
	if changed < 15*side/2 {
		t.Errorf("only %d pixels of the person are new", changed)
	}
	if near < 6*side {
		t.Errorf("the preview does not show the kept background: %d pixels do", near)
	}

	nobody := request(t)
	nobody.Background, nobody.Style = req.Background, req.Style
	nobody.Identities[0].Mask = maskPicture(t, make([]float32, 16))
	png, _ = denoise(t, client, nobody)
	if !bytes.Equal(pixels(t, png), style.Pix) {
		t.Error("with nobody in it the picture is not the style picture")
	}

	everywhere := request(t)
	free, _ := denoise(t, client, everywhere)
	everywhere.Background, everywhere.Style = req.Background, req.Style
	everywhere.Identities[0].Mask = maskPicture(t, slices.Repeat([]float32{1}, 16))
	png, _ = denoise(t, client, everywhere)
	if !bytes.Equal(pixels(t, png), pixels(t, free)) {
		t.Error("a mask of everything is not the same as keeping nothing")
	}
}
