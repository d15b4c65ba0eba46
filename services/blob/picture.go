package blob

import (
	"context"

	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// InlineSize is the most bytes that a picture has inside a message between
// services. A JetStream server keeps the block that it writes, up to 8 MiB a
// stream, in memory while somebody reads it: pictures would fill that in minutes.
const InlineSize = 8 << 10

// Picture returns the encoded bytes of a picture, inline or by digest. It fails
// with BLOB_MISSING when they are gone and INVALID_FIELD when the message has
// neither; the field is empty, so that the caller can place it with Fault.At.
func (s *Store) Picture(ctx context.Context, tenant string, p *mediav1.Picture) ([]byte, error) {
	switch source := p.GetSource().(type) {
	case *mediav1.Picture_Data:
		return source.Data, nil
	case *mediav1.Picture_Blob:
		return s.Get(ctx, tenant, source.Blob)
	default:
		return nil, fault.InvalidField("", "the picture is missing; give its bytes or the digest of stored ones")
	}
}

// PutPicture returns a message for encoded bytes: inline up to InlineSize, else
// stored and by digest.
func (s *Store) PutPicture(ctx context.Context, tenant, retention string, data []byte, mediaType string) (*mediav1.Picture, error) {
	if len(data) <= InlineSize {
		return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}, nil
	}
	b, err := s.Put(ctx, tenant, retention, data, mediaType)
	if err != nil {
		return nil, err
	}
	return &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: b}}, nil
}
