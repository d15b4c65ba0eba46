package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	// xmpKeyword and xmpSignature say that an iTXt chunk or an APP1 segment is
	// an XMP packet; the chunk of a WebP is named "XMP " (XMP specification
	// part 3, 1.1.3 and 1.1.5).
	xmpKeyword   = "XML:com.adobe.xmp"
	xmpSignature = "http://ns.adobe.com/xap/1.0/\x00"
	xmpChunk     = "XMP "
	// maxXMPSegment is the most bytes of a packet that one APP1 segment holds.
	maxXMPSegment = 0xffff - 2 - len(xmpSignature)
)

// MaxWebPSide is the longest side of a WebP, pixels.
const MaxWebPSide = 1 << 14

// XMP returns the XMP packet of a PNG, JPEG or WebP; false when there is none,
// or data is no such picture. The packet is as strange as the picture is.
func XMP(data []byte) ([]byte, bool) {
	switch {
	case bytes.HasPrefix(data, []byte(pngMagic)):
		packet, ok := PNGText(data)[xmpKeyword]
		return []byte(packet), ok
	case isWebP(data):
		for name, body := range webpChunks(data) {
			if name == xmpChunk {
				return body, true
			}
		}
	default:
		for marker, body := range jpegSegments(data) {
			if packet, ok := bytes.CutPrefix(body, []byte(xmpSignature)); ok && marker == jpegApp1 {
				return packet, true
			}
		}
	}
	return nil, false
}

// WithXMP returns a PNG, JPEG or WebP with an XMP packet and the same pixels.
// The picture must be as the encoders of this package return it: still, and
// without a packet. It fails for any other, and when the format has no room for
// the packet: a JPEG takes 65,504 bytes.
func WithXMP(data, packet []byte) ([]byte, error) {
	if _, ok := XMP(data); ok {
		return nil, errors.New("add XMP: there is a packet already")
	}
	switch {
	case bytes.HasPrefix(data, []byte(pngHeader)) && len(data) >= headerEnd:
		return append(appendText(slices.Clone(data[:headerEnd]), xmpKeyword, string(packet)), data[headerEnd:]...), nil
	case isWebP(data):
		return webpWithXMP(data, packet)
	case bytes.HasPrefix(data, []byte("\xff\xd8")):
		return jpegWithXMP(data, packet)
	default:
		return nil, errors.New("add XMP: this is no PNG, JPEG or WebP")
	}
}

// WithoutXMP returns a PNG without its XMP packet, and the same otherwise. It
// fails for anything else.
func WithoutXMP(png []byte) ([]byte, error) {
	if !bytes.HasPrefix(png, []byte(pngMagic)) {
		return nil, errors.New("remove XMP: this is no PNG")
	}
	out := []byte(pngMagic)
	for name, body := range pngChunks(png) {
		if name != "iTXt" || !bytes.HasPrefix(body, []byte(xmpKeyword+"\x00")) {
			out = appendChunk(out, name, body)
		}
	}
	return out, nil
}

// jpegWithXMP puts the packet behind the JFIF header, which must come first.
func jpegWithXMP(data, packet []byte) ([]byte, error) {
	if len(packet) > maxXMPSegment {
		return nil, fmt.Errorf("add XMP: the packet has %d bytes, a JPEG takes %d", len(packet), maxXMPSegment)
	}
	at := 2
	for marker, body := range jpegSegments(data) {
		if marker == jpegApp0 {
			at = 2 + 4 + len(body)
		}
		break
	}
	out := append(slices.Clone(data[:at]), 0xff, jpegApp1)
	out = binary.BigEndian.AppendUint16(out, uint16(2+len(xmpSignature)+len(packet)))
	out = append(append(out, xmpSignature...), packet...)
	return append(out, data[at:]...), nil
}

// webpWithXMP makes the extended file that metadata needs of a simple one:
// header, bitstream, packet.
func webpWithXMP(data, packet []byte) ([]byte, error) {
	const (
		hasXMP   = 0x04
		hasAlpha = 0x10
	)
	for name, body := range webpChunks(data) {
		if name != "VP8L" || len(body) < 5 {
			break
		}
		// The bitstream's header: 14 bits of width - 1, 14 of height - 1, then
		// whether there is alpha. The canvas has 24 bits for each.
		bits := binary.LittleEndian.Uint32(body[1:])
		header := make([]byte, 10)
		header[0] = hasXMP
		if bits>>28&1 != 0 {
			header[0] |= hasAlpha
		}
		binary.LittleEndian.PutUint16(header[4:], uint16(bits&0x3fff))
		binary.LittleEndian.PutUint16(header[7:], uint16(bits>>14&0x3fff))
		out := []byte("RIFF\x00\x00\x00\x00WEBP")
		out = appendRIFF(out, "VP8X", header)
		out = appendRIFF(out, name, body)
		out = appendRIFF(out, xmpChunk, packet)
		binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
		return out, nil
	}
	return nil, errors.New("add XMP: this is no simple lossless WebP")
}

func appendRIFF(out []byte, name string, body []byte) []byte {
	out = binary.LittleEndian.AppendUint32(append(out, name...), uint32(len(body)))
	out = append(out, body...)
	if len(body)%2 != 0 {
		out = append(out, 0)
	}
	return out
}
