package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
)

// longTimeout is from when on pictures of a generation are kept longer than a
// day, so that none expires while it still runs.
const longTimeout = 12 * time.Hour

// takePictures checks every picture that a generation brings, and replaces it
// by its digest. It returns the bytes in the order of the pictures: the
// subjects' photos, then the style picture. Nothing is stored.
func (s *Service) takePictures(ctx context.Context, tenant string, g *gatewayv1.Generation) ([][]byte, error) {
	var uploads [][]byte
	take := func(field string, p *mediav1.Picture) error {
		data, err := s.bytes(ctx, tenant, p)
		if err == nil {
			err = s.set.CheckPicture(data)
		}
		if err != nil {
			return at(err, field)
		}
		uploads = append(uploads, data)
		p.Source = &mediav1.Picture_Blob{Blob: digest(data)}
		return nil
	}
	for i, subject := range g.GetSubjects() {
		for j, photo := range subject.GetPhotos() {
			if err := take(fmt.Sprintf("subjects[%d].photos[%d]", i, j), photo); err != nil {
				return nil, err
			}
		}
	}
	if g.GetStyle() != nil {
		if err := take("style", g.GetStyle()); err != nil {
			return nil, err
		}
	}
	return uploads, nil
}

// store stores what takePictures took. Storing what is there already renews
// it: a picture lives as long as the youngest generation that uses it needs.
// Create does so before it writes the record, so that the pictures are there
// when the work begins, and again after it, since an older generation with the
// same photo may have ended, and its photos gone, just before the record was
// there to keep them.
func (s *Service) store(ctx context.Context, tenant string, g *gatewayv1.Generation, uploads [][]byte) error {
	retention := blob.Day
	if g.GetTimeout().AsDuration() > longTimeout {
		retention = blob.Week
	}
	for _, data := range uploads {
		if _, err := s.blobs.Put(ctx, tenant, retention, data, http.DetectContentType(data)); err != nil {
			return fmt.Errorf("store picture: %w", err)
		}
	}
	return nil
}

func (s *Service) bytes(ctx context.Context, tenant string, p *mediav1.Picture) ([]byte, error) {
	switch source := p.GetSource().(type) {
	case *mediav1.Picture_Data:
		return source.Data, nil
	case *mediav1.Picture_Blob:
		return s.blobs.Get(ctx, tenant, source.Blob)
	default:
		return nil, fault.InvalidField("", "the picture is missing: give its bytes, or the digest of a stored one")
	}
}

func digest(data []byte) *mediav1.Blob {
	sum := sha256.Sum256(data)
	return &mediav1.Blob{Sha256: hex.EncodeToString(sum[:]), Size: int64(len(data)), MediaType: http.DetectContentType(data)}
}

// at makes a fault about a picture one about the field that holds it; other
// errors stay as they are.
func at(err error, field string) error {
	f := fault.From(err)
	if f.Kind == fault.Invalid || f.Field != "" {
		c := *f
		c.Field = field
		return &c
	}
	return err
}
