package imaging_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/services/imaging"
)

// encoders are the formats that a picture is handed out in.
var encoders = map[string]func(*imaging.RGB) ([]byte, error){
	"PNG": func(p *imaging.RGB) ([]byte, error) {
		return imaging.EncodePNG(p, map[string]string{"Software": "test"})
	},
	"JPEG": func(p *imaging.RGB) ([]byte, error) { return imaging.EncodeJPEG(p, 90) },
	"WebP": imaging.EncodeWebP,
}

func TestXMPComesBack(t *testing.T) {
	packets := map[string]string{
		"even": "<x:xmpmeta/>", "odd": "<x:xmpmeta/>\n", "of other scripts": "<a>Grüße 你好</a>",
		"long": strings.Repeat("x", 65504), "empty": "",
	}
	for format, encode := range encoders {
		for name, packet := range packets {
			// Odd sizes make odd chunks.
			for _, side := range []int{32, 33, 51} {
				t.Run(fmt.Sprintf("%s %s %d", format, name, side), func(t *testing.T) {
					plain, err := encode(picture(side, side+1))
					if err != nil {
						t.Fatal(err)
					}
					if _, ok := imaging.XMP(plain); ok {
						t.Error("there is a packet before one was added")
					}
					with, err := imaging.WithXMP(plain, []byte(packet))
					if err != nil {
						t.Fatal(err)
					}
					got, ok := imaging.XMP(with)
					if !ok || string(got) != packet {
						t.Errorf("%d bytes came back of %d, %v", len(got), len(packet), ok)
					}
					before, err := imaging.Decode(plain, imaging.Limits{})
					if err != nil {
						t.Fatal(err)
					}
					after, err := imaging.Decode(with, imaging.Limits{})
					if err != nil || !bytes.Equal(before.Pix, after.Pix) {
						t.Errorf("the pixels changed: %v", err)
					}
					if _, err := imaging.WithXMP(with, []byte(packet)); err == nil {
						t.Error("a second packet is added")
					}
					without, err := imaging.WithoutXMP(with)
					if format == "PNG" && (err != nil || !bytes.Equal(without, plain)) {
						t.Errorf("without the packet it is another file: %v", err)
					}
					if format != "PNG" && err == nil {
						t.Error("a packet is removed from what is no PNG")
					}
				})
			}
		}
	}
}

func TestXMPThatHasNoPlace(t *testing.T) {
	photo, err := imaging.EncodeJPEG(picture(32, 32), 90)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ data, packet []byte }{
		"long for a JPEG": {photo, make([]byte, 65505)},
		"no picture":      {[]byte("no picture"), nil},
		"nothing":         {nil, nil},
		"a PNG's magic":   {[]byte("\x89PNG\r\n\x1a\n"), nil},
		"a lossy WebP":    {read(t, "lossy.webp"), nil},
		"animated WebP":   {read(t, "animated.webp"), nil},
	} {
		if _, err := imaging.WithXMP(c.data, c.packet); err == nil {
			t.Errorf("%s: it is added", name)
		}
		if _, ok := imaging.XMP(c.data); ok {
			t.Errorf("%s: it has a packet", name)
		}
	}
}

func TestWebPKeepsPixels(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	flat := func(p *imaging.RGB) {
		for i := range p.Pix {
			p.Pix[i] = 77
		}
	}
	noise := func(p *imaging.RGB) {
		for i := range p.Pix {
			p.Pix[i] = uint8(chance.Uint32())
		}
	}
	smooth := func(p *imaging.RGB) {
		for i := range p.Pix {
			p.Pix[i] = uint8(i/3%p.W*255/p.W + int(chance.Uint32()%4)*(i%3))
		}
	}
	few := func(p *imaging.RGB) {
		for i := range p.Pix {
			p.Pix[i] = uint8(i / 3 % 2 * 255)
		}
	}
	for name, paint := range map[string]func(*imaging.RGB){"flat": flat, "noise": noise, "smooth": smooth, "few colours": few} {
		for _, size := range [][2]int{{1, 1}, {2, 3}, {33, 17}, {64, 64}, {257, 130}} {
			p := imaging.NewRGB(size[0], size[1])
			paint(p)
			data, err := imaging.EncodeWebP(p)
			if err != nil {
				t.Fatal(err)
			}
			again, err := imaging.EncodeWebP(p.Clone())
			if err != nil || !bytes.Equal(data, again) {
				t.Errorf("%s %v: equal pictures have other bytes, %v", name, size, err)
			}
			back, err := imaging.Decode(data, imaging.Limits{MinSide: 1})
			if err != nil {
				t.Errorf("%s %v: %v", name, size, err)
			} else if !bytes.Equal(back.Pix, p.Pix) {
				t.Errorf("%s %v: the pixels changed", name, size)
			}
		}
	}
	if _, err := imaging.EncodeWebP(imaging.NewRGB(16385, 1)); err == nil {
		t.Error("a side of 16,385 pixels is accepted")
	}
}

func FuzzXMP(f *testing.F) {
	for _, encode := range encoders {
		data, err := encode(picture(33, 32))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		if data, err = imaging.WithXMP(data, []byte("<x/>")); err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, name := range []string{"lossy.webp", "plain.webp", "animated.webp", "turned-6.jpg", "turned-6.png", "turned-6.webp", "progressive.jpg"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if packet, ok := imaging.XMP(data); ok && len(packet) > len(data) {
			t.Errorf("%d bytes of %d", len(packet), len(data))
		}
		// What takes a packet gives it back.
		with, err := imaging.WithXMP(data, []byte("<x/>"))
		if err != nil {
			return
		}
		if packet, ok := imaging.XMP(with); !ok || string(packet) != "<x/>" {
			t.Errorf("the packet came back as %q, %v", packet, ok)
		}
	})
}
