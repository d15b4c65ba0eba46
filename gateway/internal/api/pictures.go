package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"net/http"
	"strings"
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
// by its digest. It returns the bytes. Nothing is stored.
func (s *Service) takePictures(ctx context.Context, tenant string, g *gatewayv1.Generation) ([][]byte, error) {
	var uploads [][]byte
	take := func(field string, p *mediav1.Picture) error {
		if err := s.resolve(ctx, tenant, field, p); err != nil {
			return at(err, field)
		}
		data, err := pictureBytes(ctx, s.blobs, tenant, p)
		if err == nil {
			err = s.set.CheckPicture(tenant, data)
		}
		if err != nil {
			return at(err, field)
		}
		uploads = append(uploads, data)
		p.Source = &mediav1.Picture_Blob{Blob: digest(data)}
		return nil
	}
	for field, p := range picturesOf(g) {
		if err := take(field, p); err != nil {
			return nil, err
		}
	}
	return uploads, nil
}

// resolve puts the picture of a style in the place of the style's name.
func (s *Service) resolve(ctx context.Context, tenant, field string, p *mediav1.Picture) error {
	if field != "style" || !strings.HasPrefix(p.GetName(), styleCollection) {
		return nil
	}
	style, err := s.set.Style(ctx, tenant, p.GetName())
	if err == nil {
		p.Source = style.GetSource()
	}
	return err
}

// picturesOf are the pictures that a generation brings, by their fields: each
// subject's photos, its mix's, and its mask, then the style picture.
func picturesOf(g *gatewayv1.Generation) iter.Seq2[string, *mediav1.Picture] {
	return func(yield func(string, *mediav1.Picture) bool) {
		for i, subject := range g.GetSubjects() {
			at := fmt.Sprintf("subjects[%d]", i)
			if !photosOf(at, subject.GetPhotos(), yield) {
				return
			}
			for j, part := range subject.GetMix() {
				if !photosOf(fmt.Sprintf("%s.mix[%d]", at, j), part.GetPhotos(), yield) {
					return
				}
			}
			if m := subject.GetAt().GetMask(); m != nil && !yield(at+".at.mask", m) {
				return
			}
		}
		if g.GetStyle() != nil {
			yield("style", g.GetStyle())
		}
	}
}

func photosOf(at string, photos []*mediav1.Picture, yield func(string, *mediav1.Picture) bool) bool {
	for i, photo := range photos {
		if !yield(fmt.Sprintf("%s.photos[%d]", at, i), photo) {
			return false
		}
	}
	return true
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

// pictureBytes are those of a picture that a request brings.
func pictureBytes(ctx context.Context, blobs Blobs, tenant string, p *mediav1.Picture) ([]byte, error) {
	switch source := p.GetSource().(type) {
	case *mediav1.Picture_Data:
		return source.Data, nil
	case *mediav1.Picture_Blob:
		return blobs.Get(ctx, tenant, source.Blob)
	case *mediav1.Picture_Name:
		return uploaded(ctx, blobs, tenant, source.Name)
	default:
		return nil, fault.InvalidField("", "the picture is missing: give its bytes, or the name of an uploaded one")
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
