package imaging

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Limits bounds what is decoded.
type Limits struct {
	// MaxBytes is the most bytes of an encoded picture; 0 means 16 MiB.
	MaxBytes int
	// MaxPixels is the most pixels, by the header; 0 means 50 million, which
	// take 350 MB while decoding and 500 MB when turned.
	MaxPixels int
	// MinSide is the least width and height in pixels; 0 means 32.
	MinSide int
}

// WithDefaults returns the limits with what 0 means in place of each 0.
func (l Limits) WithDefaults() Limits {
	if l.MaxBytes == 0 {
		l.MaxBytes = 16 << 20
	}
	if l.MaxPixels == 0 {
		l.MaxPixels = 50_000_000
	}
	if l.MinSide == 0 {
		l.MinSide = 32
	}
	return l
}

// Decode reads a JPEG, PNG, WebP, GIF, BMP or TIFF picture: turned upright by
// its EXIF orientation, transparency over white, as 8-bit sRGB (colour
// profiles are not applied). Everything is checked on the header, before any
// pixel is decoded. It fails with a fault of reason UNSUPPORTED_IMAGE (no such
// picture, empty, truncated, animated, 16-bit, CMYK), IMAGE_TOO_LARGE or
// IMAGE_TOO_SMALL, without a field: the caller adds it by At.
func Decode(data []byte, lim Limits) (*RGB, error) {
	img, turn, err := decode(data, lim)
	if err != nil {
		return nil, err
	}
	p := overWhite(img)
	return turn.rgb(p), nil
}

// overWhite returns img over white, strip by strip: a second whole copy of four
// bytes a pixel would be the largest thing in memory.
func overWhite(img image.Image) *RGB {
	const rows = 64
	b := img.Bounds()
	p := NewRGB(b.Dx(), b.Dy())
	strip := image.NewRGBA(image.Rect(0, 0, p.W, min(rows, p.H)))
	for y := 0; y < p.H; y += rows {
		n := min(rows, p.H-y)
		area := image.Rect(0, 0, p.W, n)
		draw.Draw(strip, area, image.White, image.Point{}, draw.Src)
		draw.Draw(strip, area, img, b.Min.Add(image.Pt(0, y)), draw.Over)
		out := p.Pix[3*y*p.W:]
		for i := range n * p.W {
			out[3*i], out[3*i+1], out[3*i+2] = strip.Pix[4*i], strip.Pix[4*i+1], strip.Pix[4*i+2]
		}
	}
	return p
}

// DecodeGray reads a picture as Decode does, as greyscale; for masks.
func DecodeGray(data []byte, lim Limits) (*Gray, error) {
	img, turn, err := decode(data, lim)
	if err != nil {
		return nil, err
	}
	b := img.Bounds()
	canvas := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(canvas, canvas.Bounds(), img, b.Min, draw.Src)
	return turn.gray(&Gray{W: b.Dx(), H: b.Dy(), Pix: canvas.Pix}), nil
}

// Check refuses what Decode would refuse by the header, without decoding a
// pixel; only a damaged or truncated picture gets past it.
func Check(data []byte, lim Limits) error {
	_, _, err := header(data, lim)
	return err
}

// Size returns the width and height of a picture as it is stored, before it is
// turned upright, after Check.
func Size(data []byte, lim Limits) (width, height int, err error) {
	_, config, err := header(data, lim)
	return config.Width, config.Height, err
}

// header finds the format and checks everything that the header tells.
func header(data []byte, lim Limits) (format, image.Config, error) {
	lim = lim.WithDefaults()
	if len(data) == 0 {
		return format{}, image.Config{}, unsupported(nil, "the picture is empty; send a JPEG, PNG or WebP")
	}
	if len(data) > lim.MaxBytes {
		return format{}, image.Config{}, fault.New(fault.Invalid, faultv1.Reason_REASON_IMAGE_TOO_LARGE, "",
			"the picture has %d bytes, at most %d are read; scale it down", len(data), lim.MaxBytes)
	}
	kind, ok := sniff(data)
	if !ok {
		return format{}, image.Config{}, unsupported(nil, "this is no picture of a known format; send a JPEG, PNG or WebP")
	}
	config, err := safely(func() (image.Config, error) { return kind.config(bytes.NewReader(data)) })
	if err != nil {
		return format{}, image.Config{}, unsupported(err, "the %s header cannot be read; send a whole 8-bit JPEG, PNG or WebP", kind.name)
	}
	if err := checkSize(config.Width, config.Height, lim); err != nil {
		return format{}, image.Config{}, err
	}
	if err := checkModel(kind.name, config.ColorModel); err != nil {
		return format{}, image.Config{}, err
	}
	return kind, config, kind.inspect(data, config)
}

// decode checks the header and decodes the pixels.
func decode(data []byte, lim Limits) (image.Image, orientation, error) {
	kind, config, err := header(data, lim)
	if err != nil {
		return nil, 0, err
	}
	img, err := safely(func() (image.Image, error) { return kind.decode(bytes.NewReader(data)) })
	if err != nil {
		return nil, 0, unsupported(err, "the %s is damaged or truncated; send the whole file", kind.name)
	}
	if b := img.Bounds(); b.Dx() != config.Width || b.Dy() != config.Height {
		return nil, 0, unsupported(nil, "the %s has another size than its header says; save it anew", kind.name)
	}
	return img, readOrientation(data, kind), nil
}

func checkSize(w, h int, lim Limits) error {
	if w < 0 || h < 0 || (h > 0 && w > lim.MaxPixels/h) {
		return fault.New(fault.Invalid, faultv1.Reason_REASON_IMAGE_TOO_LARGE, "",
			"the picture has %d x %d pixels, at most %d in all are read; scale it down", w, h, lim.MaxPixels)
	}
	if min(w, h) < lim.MinSide {
		return fault.New(fault.Invalid, faultv1.Reason_REASON_IMAGE_TOO_SMALL, "",
			"the picture has %d x %d pixels, each side needs at least %d; send a larger one", w, h, lim.MinSide)
	}
	return nil
}

func checkModel(name string, model color.Model) error {
	switch model {
	case color.RGBA64Model, color.NRGBA64Model, color.Gray16Model, color.Alpha16Model:
		return unsupported(nil, "the %s has 16 bits a channel; save it with 8", name)
	case color.CMYKModel:
		return unsupported(nil, "the %s has CMYK colours; save it as RGB", name)
	default:
		return nil
	}
}

// safely turns a panic of a decoder, which strangers' bytes may reach, into an
// error.
func safely[T any](f func() (T, error)) (value T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("decoder panicked: %v", r)
		}
	}()
	return f()
}

func unsupported(err error, format string, args ...any) error {
	return fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_UNSUPPORTED_IMAGE, "", format, args...)
}
