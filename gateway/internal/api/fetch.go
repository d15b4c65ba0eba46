package api

import (
	"context"
	"iter"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/tenant"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// What one request may have read from the web.
const (
	maxFetches = 16
	maxFetched = 64 << 20
	maxPicture = 16 << 20
	fetchTime  = 30 * time.Second
)

// fetch reads the pictures that are given by URL, one after the other, and puts
// their bytes in the URLs' place.
func (s Settings) fetch(ctx context.Context, may tenant.Limits, pictures iter.Seq2[string, *mediav1.Picture]) error {
	ctx, stop := context.WithTimeout(ctx, fetchTime)
	defer stop()
	left, n := maxFetched, 0
	for field, p := range pictures {
		from, ok := p.GetSource().(*mediav1.Picture_Url)
		if !ok {
			continue
		}
		if !may.PictureURLs || s.FetchPicture == nil {
			return fault.New(fault.Precondition, faultv1.Reason_REASON_UNSUPPORTED, field,
				"pictures by URL are not read for you here: send the bytes, or ask the operator to allow picture-urls")
		}
		if n++; n > maxFetches {
			return fault.InvalidField(field, "more than %d pictures by URL are not read for one request: send the bytes of the others", maxFetches)
		}
		most := maxPicture
		if may.UploadBytes > 0 {
			most = may.UploadBytes
		}
		data, err := s.FetchPicture(ctx, from.Url, min(most, left))
		if err != nil {
			return at(err, field)
		}
		left -= len(data)
		p.Source = &mediav1.Picture_Data{Data: data}
	}
	return nil
}

// each names the photos of a list as a subject's.
func each(photos []*mediav1.Picture, name func(int) string) iter.Seq2[string, *mediav1.Picture] {
	return func(yield func(string, *mediav1.Picture) bool) {
		for i, photo := range photos {
			if !yield(name(i), photo) {
				return
			}
		}
	}
}
