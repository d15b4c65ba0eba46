package provenance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

// immaterial are the fields of a generation that its pixels do not depend on:
// which pictures of the seed are made and kept, how it is run and found again.
// All output is immaterial too: its numbers begin at firstOutput.
var immaterial = map[protoreflect.Name]bool{
	"name": true, "picture_count": true, "first_index": true, "best_of": true, "min_similarity": true, "max_tries": true,
	"preview_every": true, "timeout": true, "labels": true, "webhook_url": true,
}

// firstOutput is the number of a generation's first output-only field.
const firstOutput = 32

// Request returns what a generation asks for as a record tells it: JSON of the
// fields that the pixels depend on, the pictures by their digests, the people
// without names. Equal requests give equal bytes.
func Request(g *gatewayv1.Generation) (json.RawMessage, error) {
	g = proto.CloneOf(g)
	m := g.ProtoReflect()
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if immaterial[f.Name()] || f.Number() >= firstOutput {
			m.Clear(f)
		}
		return true
	})
	for _, subject := range g.GetSubjects() {
		subject.Name = ""
		for _, part := range subject.GetMix() {
			part.Name = ""
		}
	}
	err := Pictures(g, func(_ string, p *mediav1.Picture) error {
		digest := p.GetBlob().GetSha256()
		if data, ok := p.GetSource().(*mediav1.Picture_Data); ok {
			digest = Digest(data.Data)
		}
		p.Source = &mediav1.Picture_Blob{Blob: &mediav1.Blob{Sha256: digest}}
		return nil
	})
	if err != nil {
		return nil, err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(g)
	if err != nil {
		return nil, fmt.Errorf("record of a generation: %w", err)
	}
	// protojson varies its spaces from build to build, on purpose.
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		return nil, fmt.Errorf("record of a generation: %w", err)
	}
	return out.Bytes(), nil
}

// Generation returns the generation that asks for the record's picture. Its
// pictures are digests; index and seed are the record's. It fails with
// UNSUPPORTED_IMAGE when the record is not of a generation.
func (r Record) Generation() (*gatewayv1.Generation, error) {
	g := new(gatewayv1.Generation)
	if err := protojson.Unmarshal(r.Request, g); err != nil {
		return nil, unreadable(err, "the picture's record cannot be read: use the version that made it")
	}
	if len(g.GetSubjects()) == 0 || g.Seed == nil {
		return nil, unreadable(nil, "the picture's record has no people or no seed: it was not made by a generation")
	}
	return g, nil
}

// Digest is the SHA-256 of a picture's bytes, as 64 hexadecimal digits.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Pictures calls do for every picture in a message, in the order of the fields,
// with its path: "subjects[0].photos[1]". The first error ends it. do may change
// the picture.
func Pictures(m proto.Message, do func(path string, p *mediav1.Picture) error) error {
	return pictures(m.ProtoReflect(), "", do)
}

func pictures(m protoreflect.Message, path string, do func(string, *mediav1.Picture) error) error {
	if p, ok := m.Interface().(*mediav1.Picture); ok {
		return do(path, p)
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Message() == nil || f.IsMap() || !m.Has(f) {
			continue
		}
		name := string(f.Name())
		if path != "" {
			name = path + "." + name
		}
		if !f.IsList() {
			if err := pictures(m.Get(f).Message(), name, do); err != nil {
				return err
			}
			continue
		}
		list := m.Get(f).List()
		for j := range list.Len() {
			if err := pictures(list.Get(j).Message(), fmt.Sprintf("%s[%d]", name, j), do); err != nil {
				return err
			}
		}
	}
	return nil
}
