package imaging

import (
	"bytes"
	"encoding/binary"
	"iter"
)

const (
	pngMagic = "\x89PNG\r\n\x1a\n"
	// pngHeader is how the chunk that must be the first begins.
	pngHeader = pngMagic + "\x00\x00\x00\x0dIHDR"
)

// headerEnd is where the first chunk after IHDR starts: the magic, then IHDR's
// length, name, 13 bytes and checksum.
const headerEnd = len(pngMagic) + 4 + 4 + 13 + 4

// pngChunks iterates over the names and bodies of a PNG's whole chunks.
func pngChunks(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if !bytes.HasPrefix(data, []byte(pngMagic)) {
			return
		}
		for rest := data[len(pngMagic):]; len(rest) >= 12; {
			size := int(binary.BigEndian.Uint32(rest))
			if size > len(rest)-12 {
				return
			}
			if !yield(string(rest[4:8]), rest[8:8+size]) {
				return
			}
			rest = rest[12+size:]
		}
	}
}

// webpChunks iterates over the names and bodies of a WebP's whole chunks.
// https://developers.google.com/speed/webp/docs/riff_container
func webpChunks(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if !isWebP(data) {
			return
		}
		for rest := data[12:]; len(rest) >= 8; {
			size := int(binary.LittleEndian.Uint32(rest[4:]))
			if size > len(rest)-8 {
				return
			}
			if !yield(string(rest[:4]), rest[8:8+size]) {
				return
			}
			rest = rest[min(8+size+size&1, len(rest)):]
		}
	}
}

// jpegSegments iterates over the markers and bodies of a JPEG's segments before
// its first scan. ITU-T T.81, annex B.
func jpegSegments(data []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		if !bytes.HasPrefix(data, []byte("\xff\xd8")) {
			return
		}
		for rest := data[2:]; len(rest) >= 4 && rest[0] == 0xff; {
			marker := rest[1]
			if marker == 0xff { // a fill byte
				rest = rest[1:]
				continue
			}
			size := int(binary.BigEndian.Uint16(rest[2:]))
			if marker == jpegScan || marker < 0xc0 || size < 2 || size > len(rest)-2 {
				return
			}
			if !yield(marker, rest[4:2+size]) {
				return
			}
			rest = rest[2+size:]
		}
	}
}

const (
	jpegScan = 0xda
	jpegApp0 = 0xe0
	jpegApp1 = 0xe1
)
