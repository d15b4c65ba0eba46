package imaging

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/bep/imagemeta"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// format is one kind of picture file.
type format struct {
	name   string
	match  func(data []byte) bool
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	// inspect finds, without decoding, what the header alone does not tell:
	// animation, and frames of another size than the header claims.
	inspect func(data []byte, config image.Config) error
	// meta is where EXIF is looked for; -1: nowhere.
	meta imagemeta.ImageFormat
}

const noMeta imagemeta.ImageFormat = -1

// sniff finds the format by its first bytes. The list is explicit rather than
// that of image.RegisterFormat, which any import may lengthen.
func sniff(data []byte) (format, bool) {
	starts := func(magic string) func([]byte) bool {
		return func(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }
	}
	for _, f := range []format{
		{"JPEG", starts("\xff\xd8\xff"), jpeg.DecodeConfig, jpeg.Decode, still, imagemeta.JPEG},
		{"PNG", starts(pngMagic), png.DecodeConfig, png.Decode, inspectPNG, imagemeta.PNG},
		{"WebP", isWebP, webp.DecodeConfig, webp.Decode, inspectWebP, imagemeta.WebP},
		{"GIF", starts("GIF8"), gif.DecodeConfig, gif.Decode, inspectGIF, noMeta},
		{"BMP", starts("BM"), bmp.DecodeConfig, bmp.Decode, still, noMeta},
		{"TIFF", starts("II*\x00"), tiff.DecodeConfig, tiff.Decode, still, imagemeta.TIFF},
		{"TIFF", starts("MM\x00*"), tiff.DecodeConfig, tiff.Decode, still, imagemeta.TIFF},
	} {
		if f.match(data) {
			return f, true
		}
	}
	return format{}, false
}

func still([]byte, image.Config) error { return nil }

func animated(name string) error {
	return unsupported(nil, "the %s is animated; send one frame of it", name)
}

// inspectPNG refuses APNG: an acTL chunk before the pixels.
func inspectPNG(data []byte, _ image.Config) error {
	for name := range pngChunks(data) {
		switch name {
		case "acTL":
			return animated("PNG")
		case "IDAT":
			return nil
		}
	}
	return nil
}

func isWebP(data []byte) bool {
	return len(data) >= 16 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP"
}

// inspectWebP refuses animations, and a bitstream that is larger than the
// canvas of an extended file: the decoder allocates by the bitstream.
// https://developers.google.com/speed/webp/docs/riff_container
func inspectWebP(data []byte, config image.Config) error {
	for rest := data[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:]
		if size > len(body) {
			return unsupported(nil, "the WebP is truncated; send the whole file")
		}
		w, h := config.Width, config.Height
		switch {
		case name == "ANIM" || name == "ANMF" || (name == "VP8X" && size > 0 && body[0]&0x02 != 0):
			return animated("WebP")
		case name == "VP8 " && size >= 10:
			w = int(binary.LittleEndian.Uint16(body[6:]) & 0x3fff)
			h = int(binary.LittleEndian.Uint16(body[8:]) & 0x3fff)
		case name == "VP8L" && size >= 5:
			bits := binary.LittleEndian.Uint32(body[1:])
			w, h = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1
		}
		if w != config.Width || h != config.Height {
			return unsupported(nil, "the WebP has another size than its header says; save it anew")
		}
		rest = body[min(size+size&1, len(body)):]
	}
	return nil
}

// inspectGIF counts the frames by walking over their blocks.
// https://www.w3.org/Graphics/GIF/spec-gif89a.txt
func inspectGIF(data []byte, config image.Config) error {
	truncated := unsupported(nil, "the GIF is truncated; send the whole file")
	if len(data) < 13 {
		return truncated
	}
	table := func(flags byte) int {
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	frames := 0
	at := 13 + table(data[10])
	// blocks returns the position after a chain of sub-blocks.
	blocks := func(at int) int {
		for at < len(data) && data[at] != 0 {
			at += 1 + int(data[at])
		}
		return at + 1
	}
	for at < len(data) {
		switch data[at] {
		case 0x21:
			at = blocks(at + 2)
		case 0x2c:
			if frames++; frames > 1 {
				return animated("GIF")
			}
			if at+10 > len(data) {
				return truncated
			}
			w, h := int(binary.LittleEndian.Uint16(data[at+5:])), int(binary.LittleEndian.Uint16(data[at+7:]))
			if w != config.Width || h != config.Height {
				return unsupported(nil, "the GIF's frame does not fill its canvas; save it anew")
			}
			at = blocks(at + 10 + table(data[at+9]) + 1)
		default:
			return nil
		}
	}
	return nil
}
