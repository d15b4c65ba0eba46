package imaging

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"maps"
	"slices"
	"strings"

	"github.com/HugoSmits86/nativewebp"
)

// EncodePNG returns p as an 8-bit RGB PNG with text as uncompressed iTXt
// records, sorted by keyword, so that equal pictures have equal bytes. It
// fails when a keyword is not 1 to 79 printable Latin characters.
func EncodePNG(p *RGB, text map[string]string) ([]byte, error) {
	return encodePNG(p.nrgba(), text)
}

// EncodePNG returns g as an 8-bit greyscale PNG.
func (g *Gray) EncodePNG() ([]byte, error) {
	return encodePNG(&image.Gray{Pix: g.Pix, Stride: g.W, Rect: image.Rect(0, 0, g.W, g.H)}, nil)
}

// EncodeJPEG returns p as a baseline JPEG of quality 1..100.
func EncodeJPEG(p *RGB, quality int) ([]byte, error) {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, p.nrgba(), &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode JPEG: %w", err)
	}
	return out.Bytes(), nil
}

// EncodeWebP returns p as a lossless WebP. It fails when a side is longer than
// 16,384 pixels, the most that the format holds.
func EncodeWebP(p *RGB) ([]byte, error) {
	if max(p.W, p.H) > MaxWebPSide {
		return nil, fmt.Errorf("encode WebP: %d x %d pixels, at most %d a side", p.W, p.H, MaxWebPSide)
	}
	var out bytes.Buffer
	if err := nativewebp.Encode(&out, p.nrgba(), nil); err != nil {
		return nil, fmt.Errorf("encode WebP: %w", err)
	}
	return out.Bytes(), nil
}

func encodePNG(img image.Image, text map[string]string) ([]byte, error) {
	var pixels bytes.Buffer
	if err := png.Encode(&pixels, img); err != nil {
		return nil, fmt.Errorf("encode PNG: %w", err)
	}
	out := slices.Clone(pixels.Bytes()[:headerEnd])
	for _, keyword := range slices.Sorted(maps.Keys(text)) {
		if keyword == "" || len(keyword) > 79 || strings.ContainsFunc(keyword, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, fmt.Errorf("encode PNG: text keyword %q must be 1 to 79 printable characters", keyword)
		}
		out = appendText(out, keyword, text[keyword])
	}
	return append(out, pixels.Bytes()[headerEnd:]...), nil
}

// appendText appends an iTXt chunk: keyword, NUL, compression flag and method,
// language NUL, translated keyword NUL, text in UTF-8 (PNG 11.3.3.4).
func appendText(out []byte, keyword, text string) []byte {
	return appendChunk(out, "iTXt", slices.Concat([]byte(keyword), make([]byte, 5), []byte(text)))
}

func appendChunk(out []byte, name string, body []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	start := len(out)
	out = append(append(out, name...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[start:]))
}

// PNGText returns the uncompressed iTXt records of a PNG by keyword; empty
// when data is no PNG or has none.
func PNGText(data []byte) map[string]string {
	text := map[string]string{}
	for name, body := range pngChunks(data) {
		if name != "iTXt" {
			continue
		}
		keyword, rest, ok := bytes.Cut(body, []byte{0})
		if !ok || len(rest) < 2 || rest[0] != 0 {
			continue
		}
		parts := bytes.SplitN(rest[2:], []byte{0}, 3)
		if len(parts) == 3 {
			text[string(keyword)] = string(parts[2])
		}
	}
	return text
}
