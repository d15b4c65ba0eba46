package sheet_test

import (
	"image"
	"image/color"
	"image/draw"
	"testing"

	"github.com/facestudio/facestudio/cli/internal/sheet"
)

func plain(w, h int, c color.Color) image.Image {
	p := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(p, p.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	return p
}

func TestDraw(t *testing.T) {
	red := color.RGBA{0xff, 0, 0, 0xff}
	blue := color.RGBA{0, 0, 0xff, 0xff}
	got, err := sheet.Draw([]sheet.Cell{
		{Label: "wide", Picture: plain(20, 10, red)},
		{Label: "a label of so many words that it takes more than the lines there are for it, by far", Picture: plain(10, 20, blue)},
		{Label: "", Picture: plain(1, 1, red)},
	}, sheet.Layout{Columns: 2, Side: 100, Margin: 10})
	if err != nil {
		t.Fatal(err)
	}
	if got.Bounds().Dx() != 10+2*110 {
		t.Errorf("the sheet is %d wide", got.Bounds().Dx())
	}
	tests := []struct {
		name string
		x, y int
		want color.Color
	}{
		{"middle of the wide picture", 60, 60, red},
		{"above the wide picture", 60, 20, got.At(0, 0)},
		{"middle of the tall picture", 170, 60, blue},
		{"beside the tall picture", 130, 60, got.At(0, 0)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if r, g, b, _ := got.At(test.x, test.y).RGBA(); !same(test.want, r, g, b) {
				t.Errorf("got %v at %d,%d, want %v", got.At(test.x, test.y), test.x, test.y, test.want)
			}
		})
	}
	if !inked(got, image.Rect(10, 112, 110, 140)) {
		t.Error("the label is not drawn")
	}
	if inked(got, image.Rect(0, 110, 9, 160)) {
		t.Error("a label leaves its cell")
	}
}

func TestNoPictures(t *testing.T) {
	if _, err := sheet.Draw(nil, sheet.Layout{}); err == nil {
		t.Error("a sheet of nothing is no error")
	}
}

func same(c color.Color, r, g, b uint32) bool {
	wr, wg, wb, _ := c.RGBA()
	return wr == r && wg == g && wb == b
}

func inked(p image.Image, r image.Rectangle) bool {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if v, _, _, _ := p.At(x, y).RGBA(); v < 0x8000 {
				return true
			}
		}
	}
	return false
}
