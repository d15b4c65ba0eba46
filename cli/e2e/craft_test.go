package e2e_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"sync"
	"testing"

	xdraw "golang.org/x/image/draw"
)

func decoded(t *testing.T, data []byte) image.Image {
	t.Helper()
	p, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func encodedPNG(t *testing.T, p image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, p); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func encodedJPEG(t *testing.T, p image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, p, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// canvas is a grey picture with others drawn into the given places.
func canvas(w, h int, place map[image.Rectangle]image.Image) image.Image {
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.Gray{0x80}), image.Point{}, draw.Src)
	for r, p := range place {
		xdraw.CatmullRom.Scale(out, r, p, p.Bounds(), draw.Src, nil)
	}
	return out
}

// mustExample is an example face, for what has no test at hand.
func mustExample(name string) []byte {
	data, err := os.ReadFile(filepath.Join("..", "..", "examples", "faces", name+".jpg"))
	if err != nil {
		panic(err)
	}
	return data
}

// couple is a picture of two people side by side.
var couple = sync.OnceValue(func() []byte {
	return mustPNG(canvas(256, 128, map[image.Rectangle]image.Image{
		image.Rect(0, 0, 128, 128): mustDecode(mustExample("erik")), image.Rect(128, 0, 256, 128): mustDecode(mustExample("rosa")),
	}))
})

// maskOf is a mask of w x h pixels that is white in a rectangle.
func maskOf(w, h int, white image.Rectangle) []byte {
	mask := image.NewGray(image.Rect(0, 0, w, h))
	draw.Draw(mask, white, image.White, image.Point{}, draw.Src)
	return mustPNG(mask)
}

func mustPNG(p image.Image) []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, p); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func mustDecode(data []byte) image.Image {
	p, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		panic(err)
	}
	return p
}

func animated(t *testing.T) []byte {
	t.Helper()
	frame := image.NewPaletted(image.Rect(0, 0, 64, 64), color.Palette{color.Black, color.White})
	var out bytes.Buffer
	err := gif.EncodeAll(&out, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func deep(t *testing.T) []byte {
	t.Helper()
	return encodedPNG(t, image.NewRGBA64(image.Rect(0, 0, 64, 64)))
}

// huge is a PNG whose header claims 40,000 x 40,000 pixels.
func huge(t *testing.T) []byte {
	t.Helper()
	data := encodedPNG(t, image.NewGray(image.Rect(0, 0, 64, 64)))
	// The header chunk is 4 bytes of length, "IHDR", width, height, 5 more bytes
	// and its checksum, after a signature of 8 bytes.
	const kind, width, height, end = 12, 16, 20, 29
	binary.BigEndian.PutUint32(data[width:], 40_000)
	binary.BigEndian.PutUint32(data[height:], 40_000)
	binary.BigEndian.PutUint32(data[end:], crc32.ChecksumIEEE(data[kind:end]))
	return data
}

// onItsSide is a JPEG whose pixels are turned a quarter to the left, with the
// EXIF orientation that turns them back.
func onItsSide(t *testing.T, upright image.Image) []byte {
	t.Helper()
	b := upright.Bounds()
	turned := image.NewRGBA(image.Rect(0, 0, b.Dy(), b.Dx()))
	for y := range b.Dy() {
		for x := range b.Dx() {
			turned.Set(y, b.Dx()-1-x, upright.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	data := encodedJPEG(t, turned)
	// An APP1 segment with a TIFF header and the one tag 0x0112, orientation 6:
	// turn by a quarter to the right.
	exif := []byte("\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08" +
		"\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	return append(append(append([]byte{}, data[:2]...), exif...), data[2:]...)
}
