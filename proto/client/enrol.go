package client

import (
	"context"
	"iter"
	"time"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

// Inline is a picture of encoded bytes: JPEG, PNG, GIF, BMP, TIFF or WebP.
func Inline(data []byte) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}
}

// Enrol keeps a person, so that generations can name it in place of photos. The
// answer has a verdict on each photo. It fails when none can be used; the error
// then has each photo's reason. A request without a request id gets one.
func (c *Client) Enrol(ctx context.Context, req *gatewayv1.CreateSubjectRequest) (*gatewayv1.Subject, error) {
	if req.GetRequestId() == "" {
		req = &gatewayv1.CreateSubjectRequest{
			Subject: req.GetSubject(), ValidateOnly: req.GetValidateOnly(), RequestId: newRequestID(),
		}
	}
	return again(ctx, c.forbearance(), func(ctx context.Context) (*gatewayv1.Subject, error) {
		return c.Subjects.CreateSubject(ctx, req)
	})
}

// AllSubjects are the caller's subjects, the newest first; an error is the last
// that comes.
func (c *Client) AllSubjects(ctx context.Context) iter.Seq2[*gatewayv1.Subject, error] {
	return all(ctx, c.forbearance(), func(ctx context.Context, token string) ([]*gatewayv1.Subject, string, error) {
		page, err := c.Subjects.ListSubjects(ctx, &gatewayv1.ListSubjectsRequest{PageSize: pageSize, PageToken: token})
		return page.GetSubjects(), page.GetNextPageToken(), err
	})
}

// AllGenerations are the caller's generations that pass a filter, the newest
// first; an error is the last that comes. An empty filter lets all pass; see
// ListGenerationsRequest.
func (c *Client) AllGenerations(ctx context.Context, filter string) iter.Seq2[*gatewayv1.Generation, error] {
	return all(ctx, c.forbearance(), func(ctx context.Context, token string) ([]*gatewayv1.Generation, string, error) {
		page, err := c.Generations.ListGenerations(ctx, &gatewayv1.ListGenerationsRequest{PageSize: pageSize, PageToken: token, Filter: filter})
		return page.GetGenerations(), page.GetNextPageToken(), err
	})
}

// pageSize is the most that the mesh sends at once.
const pageSize = 100

// all walks through the pages of a list.
func all[T any](ctx context.Context, patience time.Duration, list func(context.Context, string) ([]T, string, error)) iter.Seq2[T, error] {
	type page struct {
		entries []T
		next    string
	}
	return func(yield func(T, error) bool) {
		for token := ""; ; {
			got, err := again(ctx, patience, func(ctx context.Context) (page, error) {
				entries, next, err := list(ctx, token)
				return page{entries, next}, err
			})
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, entry := range got.entries {
				if !yield(entry, nil) {
					return
				}
			}
			if token = got.next; token == "" {
				return
			}
		}
	}
}
