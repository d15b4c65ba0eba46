// Package sheet draws a contact sheet: pictures side by side, each with a
// label below it.
package sheet

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	xdraw "golang.org/x/image/draw"
)

// Cell is one picture of a sheet.
type Cell struct {
	// Label stands below the picture; a long one is broken into lines.
	Label string
	// Picture of any size; it is scaled into the cell with its aspect kept.
	Picture image.Image
}

// Layout says how a sheet looks. All lengths are pixels.
type Layout struct {
	// Columns is the number of cells in a row; 0 puts up to six in one row.
	Columns int
	// Side is the side of a cell's square; 0 means 256.
	Side int
	// Margin lies around the cells; 0 means 16.
	Margin int
}

const (
	fontSize = 15
	maxLines = 2
)

var (
	paper = color.RGBA{0xfa, 0xfa, 0xf8, 0xff}
	ink   = color.RGBA{0x22, 0x22, 0x22, 0xff}
)

// Draw draws the cells, left to right and top to bottom.
func Draw(cells []Cell, l Layout) (image.Image, error) {
	if len(cells) == 0 {
		return nil, errors.New("a sheet needs at least one picture")
	}
	l = l.withDefaults(len(cells))
	face, err := openFace()
	if err != nil {
		return nil, err
	}
	defer face.Close()
	line := face.Metrics().Height.Ceil()
	cellHeight := l.Side + maxLines*line + l.Margin
	rows := (len(cells) + l.Columns - 1) / l.Columns
	out := image.NewRGBA(image.Rect(0, 0,
		l.Margin+l.Columns*(l.Side+l.Margin),
		l.Margin+rows*cellHeight))
	draw.Draw(out, out.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	for i, cell := range cells {
		x := l.Margin + i%l.Columns*(l.Side+l.Margin)
		y := l.Margin + i/l.Columns*cellHeight
		place(out, cell.Picture, image.Rect(x, y, x+l.Side, y+l.Side))
		drawer := font.Drawer{Dst: out, Src: image.NewUniform(ink), Face: face}
		for n, text := range wrap(&drawer, cell.Label, l.Side) {
			width := drawer.MeasureString(text).Ceil()
			drawer.Dot = fixed.P(x+(l.Side-width)/2, y+l.Side+(n+1)*line)
			drawer.DrawString(text)
		}
	}
	return out, nil
}

func (l Layout) withDefaults(cells int) Layout {
	if l.Columns <= 0 {
		l.Columns = min(cells, 6)
	}
	if l.Side <= 0 {
		l.Side = 256
	}
	if l.Margin <= 0 {
		l.Margin = 16
	}
	return l
}

func openFace() (font.Face, error) {
	parsed, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, fmt.Errorf("read the font: %w", err)
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: fontSize, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, fmt.Errorf("open the font: %w", err)
	}
	return face, nil
}

// place scales the picture into the square and centres it.
func place(to draw.Image, picture image.Image, square image.Rectangle) {
	from := picture.Bounds()
	if from.Empty() {
		return
	}
	longer := max(from.Dx(), from.Dy())
	w, h := max(1, from.Dx()*square.Dx()/longer), max(1, from.Dy()*square.Dy()/longer)
	x, y := square.Min.X+(square.Dx()-w)/2, square.Min.Y+(square.Dy()-h)/2
	xdraw.CatmullRom.Scale(to, image.Rect(x, y, x+w, y+h), picture, from, draw.Over, nil)
}
