package imaging_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/bmp"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
)

// The pictures of testdata, and of gradient.
const width, height = 40, 32

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func gradient() *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetNRGBA(x, y, color.NRGBA{uint8(6 * x), uint8(7 * y), 90, 255})
		}
	}
	return img
}

func encoded(tb testing.TB, encode func(*bytes.Buffer) error) []byte {
	tb.Helper()
	var out bytes.Buffer
	if err := encode(&out); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func pngOf(tb testing.TB, img image.Image) []byte {
	tb.Helper()
	return encoded(tb, func(out *bytes.Buffer) error { return png.Encode(out, img) })
}

func jpegOf(tb testing.TB, img image.Image) []byte {
	tb.Helper()
	return encoded(tb, func(out *bytes.Buffer) error { return jpeg.Encode(out, img, &jpeg.Options{Quality: 95}) })
}

func gifOf(tb testing.TB, frames int) []byte {
	tb.Helper()
	g := &gif.GIF{}
	palette := make(color.Palette, 0, 256)
	for i := range 256 {
		palette = append(palette, color.NRGBA{uint8(i), uint8(i), uint8(i), 255})
	}
	for range frames {
		frame := image.NewPaletted(image.Rect(0, 0, width, height), palette)
		for i := range frame.Pix {
			frame.Pix[i] = uint8(6 * (i % width))
		}
		g.Image, g.Delay = append(g.Image, frame), append(g.Delay, 10)
	}
	return encoded(tb, func(out *bytes.Buffer) error { return gif.EncodeAll(out, g) })
}

// claim changes the size in a PNG's header, keeping its checksum right.
func claim(data []byte, w, h uint32) []byte {
	data = bytes.Clone(data)
	binary.BigEndian.PutUint32(data[16:], w)
	binary.BigEndian.PutUint32(data[20:], h)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func TestDecodeReads(t *testing.T) {
	files := map[string][]byte{
		"png":  pngOf(t, gradient()),
		"jpeg": jpegOf(t, gradient()),
		"bmp":  encoded(t, func(out *bytes.Buffer) error { return bmp.Encode(out, gradient()) }),
	}
	for _, name := range []string{"plain.webp", "lossy.webp", "plain.tiff", "progressive.jpg", "turned-6.png", "turned-6.webp",
		"turned-2.jpg", "turned-3.jpg", "turned-4.jpg", "turned-5.jpg", "turned-6.jpg", "turned-7.jpg", "turned-8.jpg"} {
		files[name] = read(t, name)
	}
	for name, data := range files {
		t.Run(name, func(t *testing.T) {
			p, err := imaging.Decode(data, imaging.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if p.W != width || p.H != height {
				t.Fatalf("%d x %d", p.W, p.H)
			}
			for _, at := range [][2]int{{2, 2}, {37, 2}, {2, 29}, {37, 29}} {
				got, want := p.At(at[0], at[1]), [3]int{6 * at[0], 7 * at[1], 90}
				for c := range 3 {
					// Lossy formats blur colours.
					if d := int(got[c]) - want[c]; d < -24 || d > 24 {
						t.Errorf("pixel %v is %v, want %v", at, got, want)
						break
					}
				}
			}
		})
	}
}

func TestDecodeModels(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, width, height))
	gray.Pix[0] = 77
	clear := image.NewNRGBA(image.Rect(0, 0, width, height))
	clear.SetNRGBA(0, 0, color.NRGBA{200, 0, 0, 128})
	for name, c := range map[string]struct {
		data        []byte
		first, last [3]uint8
	}{
		"grey PNG":      {pngOf(t, gray), [3]uint8{77, 77, 77}, [3]uint8{}},
		"grey JPEG":     {jpegOf(t, image.NewGray(image.Rect(0, 0, width, height))), [3]uint8{}, [3]uint8{}},
		"transparent":   {pngOf(t, clear), [3]uint8{228, 127, 127}, [3]uint8{255, 255, 255}},
		"one-frame GIF": {gifOf(t, 1), [3]uint8{}, [3]uint8{234, 234, 234}},
	} {
		p, err := imaging.Decode(c.data, imaging.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if first, last := p.At(0, 0), p.At(width-1, height-1); first != c.first || last != c.last {
			t.Errorf("%s: first pixel %v, last %v", name, first, last)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole, photo := pngOf(t, gradient()), jpegOf(t, gradient())
	const (
		unsupported = faultv1.Reason_REASON_UNSUPPORTED_IMAGE
		large       = faultv1.Reason_REASON_IMAGE_TOO_LARGE
		small       = faultv1.Reason_REASON_IMAGE_TOO_SMALL
	)
	for _, c := range []struct {
		name   string
		data   []byte
		reason faultv1.Reason
		says   string
	}{
		{"nothing", nil, unsupported, "empty"},
		{"text", []byte("this is no picture, whatever its name says"), unsupported, "no picture"},
		{"PDF", []byte("%PDF-1.7 and so on, and so on"), unsupported, "no picture"},
		{"SVG", []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), unsupported, "no picture"},
		{"PNG magic only", whole[:8], unsupported, "header"},
		{"JPEG magic only", photo[:4], unsupported, "header"},
		{"truncated PNG", whole[:len(whole)*2/3], unsupported, "truncated"},
		{"truncated JPEG", photo[:len(photo)*2/3], unsupported, "truncated"},
		{"truncated WebP", read(t, "lossy.webp")[:120], unsupported, "truncated"},
		{"truncated GIF", gifOf(t, 1)[:900], unsupported, "truncated"},
		{"truncated TIFF", read(t, "plain.tiff")[:200], unsupported, ""},
		{"damaged PNG", append(bytes.Clone(whole[:60]), make([]byte, 200)...), unsupported, "damaged"},
		{"animated GIF", gifOf(t, 2), unsupported, "animated"},
		{"animated WebP", read(t, "animated.webp"), unsupported, "animated"},
		{"animated PNG", read(t, "animated.png"), unsupported, "animated"},
		{"16-bit PNG", pngOf(t, image.NewNRGBA64(image.Rect(0, 0, width, height))), unsupported, "16 bits"},
		{"16-bit grey PNG", pngOf(t, image.NewGray16(image.Rect(0, 0, width, height))), unsupported, "16 bits"},
		{"16-bit TIFF", read(t, "deep.tiff"), unsupported, "16 bits"},
		{"CMYK JPEG", read(t, "cmyk.jpg"), unsupported, "CMYK"},
		{"claims 40,000 x 40,000", claim(whole, 40000, 40000), large, "40000 x 40000"},
		{"claims a strip", claim(whole, 1<<31-1, 32), large, "scale it down"},
		{"claims other size", claim(whole, width, 2*height), unsupported, ""},
		{"many bytes", append(bytes.Clone(whole), make([]byte, 17<<20)...), large, "bytes"},
		{"20 pixels", pngOf(t, image.NewNRGBA(image.Rect(0, 0, 20, 200))), small, "at least 32"},
		{"1 pixel", pngOf(t, image.NewNRGBA(image.Rect(0, 0, 1, 1))), small, "at least 32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := imaging.Decode(c.data, imaging.Limits{})
			f := fault.From(err)
			if err == nil || f.Reason != c.reason || f.Kind != fault.Invalid || !strings.Contains(f.Message, c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLargeClaimsAreNotDecoded(t *testing.T) {
	data := claim(pngOf(t, gradient()), 40000, 40000)
	if n := testing.AllocsPerRun(5, func() {
		if _, err := imaging.Decode(data, imaging.Limits{}); err == nil {
			t.Error("accepted")
		}
	}); n > 100 {
		t.Errorf("%v allocations", n)
	}
}

func TestDecodeGray(t *testing.T) {
	g := imaging.NewGray(3, 2)
	g.Pix = []uint8{0, 1, 127, 128, 254, 255}
	data, err := g.EncodePNG()
	if err != nil {
		t.Fatal(err)
	}
	got, err := imaging.DecodeGray(data, imaging.Limits{MinSide: 1})
	if err != nil || got.W != 3 || got.H != 2 || !bytes.Equal(got.Pix, g.Pix) {
		t.Fatalf("%v, %v", got, err)
	}
	if back := imaging.GrayFrom(got.Floats(), 3, 2); !bytes.Equal(back.Pix, g.Pix) {
		t.Errorf("floats gave %v", back.Pix)
	}
	if _, err := imaging.DecodeGray([]byte("no"), imaging.Limits{}); !fault.Is(err, faultv1.Reason_REASON_UNSUPPORTED_IMAGE) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".json" && ext != ".py" && !e.IsDir() {
			f.Add(read(f, e.Name()))
		}
	}
	f.Add(gifOf(f, 1))
	f.Add(pngOf(f, gradient()))
	f.Add(claim(pngOf(f, gradient()), 40000, 40000))
	lim := imaging.Limits{MaxBytes: 1 << 16, MaxPixels: 1 << 16, MinSide: 1}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := imaging.Decode(data, lim)
		if err != nil {
			if fault.From(err).Kind != fault.Invalid {
				t.Errorf("not the caller's fault: %v", err)
			}
			return
		}
		if p.W < 1 || p.H < 1 || p.W*p.H > lim.MaxPixels || len(p.Pix) != 3*p.W*p.H {
			t.Errorf("%d x %d with %d bytes", p.W, p.H, len(p.Pix))
		}
	})
}

func TestDecodeTall(t *testing.T) {
	// Taller than what is converted at once.
	img := image.NewNRGBA(image.Rect(0, 0, 33, 150))
	for y := range 150 {
		for x := range 33 {
			img.SetNRGBA(x, y, color.NRGBA{uint8(y), uint8(x), 1, 255})
		}
	}
	p, err := imaging.Decode(pngOf(t, img), imaging.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 33 * 150 {
		if got, want := p.At(i%33, i/33), [3]uint8{uint8(i / 33), uint8(i % 33), 1}; got != want {
			t.Fatalf("pixel %d, %d is %v", i%33, i/33, got)
		}
	}
}
