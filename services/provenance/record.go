// Package provenance says in a picture's own metadata that it is synthetic and
// how it was made, well enough to make it again: an XMP packet with IPTC's
// digital source type and a record.
package provenance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
)

// Format is the format of the records that this version writes and reads.
const Format = 1

// Bundle names the models that made a picture.
type Bundle struct {
	// Name and Version are as in the bundle's manifest; empty when only the
	// digest is known.
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
	// Digest identifies the bundle, 64 lower-case hexadecimal digits.
	Digest string `json:"digest"`
}

// Record is how a picture was made: all that its pixels depend on, and nothing
// else, so that equal pictures have equal records. Photos are in it by their
// digests alone; embeddings and names of people are not.
type Record struct {
	// Format is Format.
	Format int `json:"format"`
	// Request is what was asked for, as Request makes it of a generation.
	Request json.RawMessage `json:"request"`
	// Index is the index of the picture's noise: picture Index of the seed.
	Index uint32 `json:"index"`
	// NoiseVersion is the version of the noise generator.
	NoiseVersion string `json:"noise_version"`
	// Bundle are the models.
	Bundle Bundle `json:"bundle"`
	// Source is IPTC's term for how the picture came about.
	Source Source `json:"-"`
}

// Source is a term of IPTC's vocabulary of digital source types.
type Source string

const (
	// Trained is a picture made by a trained model.
	Trained Source = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
	// Composite is a photo with a part made by a trained model.
	Composite Source = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)

// Sign returns a PNG, JPEG or WebP as imaging encodes it with the record in its
// metadata. Equal pictures and records give equal bytes. It fails when the
// format has no room for the record.
func Sign(picture []byte, r Record) ([]byte, error) {
	r.Format = Format
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	// XMP has escapes of its own.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return nil, fmt.Errorf("sign picture: %w", err)
	}
	signed, err := imaging.WithXMP(picture, packet(r.Source, strings.TrimSpace(text.String())))
	if err != nil {
		return nil, fmt.Errorf("sign picture: %w", err)
	}
	return signed, nil
}

// Read returns the record of a PNG, JPEG or WebP. Its faults are of reason
// UNSUPPORTED_IMAGE, without a field: the picture has no record, or one that
// this version cannot read.
func Read(picture []byte) (Record, error) {
	xmp, ok := imaging.XMP(picture)
	if !ok || len(xmp) > maxPacket {
		return Record{}, unreadable(nil, "the picture has no record of how it was made: give a PNG, JPEG or WebP as FaceStudio wrote it, not one that another program has saved")
	}
	found, err := properties(xmp)
	if err != nil {
		return Record{}, unreadable(err, "the picture's metadata is damaged: give the file as FaceStudio wrote it")
	}
	text, ok := found[recordName]
	if !ok {
		return Record{}, unreadable(nil, "the picture's metadata has no record of FaceStudio: give a picture that it made")
	}
	var r Record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return Record{}, unreadable(err, "the picture's record is damaged: give the file as FaceStudio wrote it")
	}
	if r.Format != Format {
		return Record{}, unreadable(nil, "the picture's record has format %d, this version reads %d: use the version that made it", r.Format, Format)
	}
	r.Source = Source(found[sourceName])
	return r, nil
}

// Forget returns a picture without its record: it still says that it is synthetic,
// and not of what, nor for whom. A picture without a record, or with one that
// this version cannot read, is returned as it is.
func Forget(picture []byte) []byte {
	r, err := Read(picture)
	if err != nil {
		return picture
	}
	old, _ := imaging.XMP(picture)
	if plain, err := imaging.WithoutXMP(picture); err == nil { // a PNG, whose chunks have checksums
		if out, err := imaging.WithXMP(plain, bare(r.Source, 0)); err == nil {
			return out
		}
	}
	return bytes.Replace(picture, old, bare(r.Source, len(old)), 1)
}

func unreadable(err error, format string, args ...any) error {
	return fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_UNSUPPORTED_IMAGE, "", format, args...)
}
