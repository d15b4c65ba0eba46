package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/tenant"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func onWeb(url string) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Url{Url: url}}
}

// web has pictures by their URLs.
func web(pictures map[string][]byte) func(context.Context, string, int) ([]byte, error) {
	return func(_ context.Context, url string, most int) ([]byte, error) {
		data, ok := pictures[url]
		switch {
		case !ok:
			return nil, fault.New(fault.Invalid, faultv1.Reason_REASON_PICTURE_UNREACHABLE, "", "nobody is there")
		case len(data) > most:
			return nil, errors.New("more is read than may be")
		}
		return data, nil
	}
}

func TestPicturesByURL(t *testing.T) {
	h := open(t)
	photos := album(t, 2)
	h.fetch = web(map[string][]byte{"https://a/face": photos[0], "https://a/style": photos[1], "https://a/page": []byte("<html>")})
	on := h.grant(tenant.Limits{PictureURLs: true})
	byURL := func(face, style string) *gatewayv1.CreateGenerationRequest {
		return &gatewayv1.CreateGenerationRequest{Generation: &gatewayv1.Generation{
			Subjects: []*gatewayv1.GenerationSubject{{Photos: []*mediav1.Picture{onWeb(face)}}}, Style: onWeb(style),
		}}
	}
	g, err := on.CreateGeneration(t.Context(), byURL("https://a/face", "https://a/style"))
	if err != nil {
		t.Fatal(err)
	}
	for field, c := range map[string]struct {
		picture *mediav1.Picture
		data    []byte
	}{
		"face": {g.GetSubjects()[0].GetPhotos()[0], photos[0]}, "style": {g.GetStyle(), photos[1]},
	} {
		if got, err := h.blobs.Get(t.Context(), "default", c.picture.GetBlob()); err != nil || string(got) != string(c.data) {
			t.Errorf("the %s is %v, %v", field, c.picture, err)
		}
	}
	tests := []struct {
		name   string
		req    *gatewayv1.CreateGenerationRequest
		reason faultv1.Reason
		field  string
	}{
		{"nobody there", byURL("https://a/face", "https://b/"), faultv1.Reason_REASON_PICTURE_UNREACHABLE, "style"},
		{"no picture", byURL("https://a/page", "https://a/style"), faultv1.Reason_REASON_UNSUPPORTED_IMAGE, "subjects[0].photos[0]"},
		{"too many", func() *gatewayv1.CreateGenerationRequest {
			req := byURL("https://a/face", "https://a/style")
			for range 16 {
				s := req.GetGeneration().GetSubjects()[0]
				s.Photos = append(s.Photos, onWeb("https://a/face"))
			}
			return req
		}(), faultv1.Reason_REASON_INVALID_FIELD, "subjects[0].photos[16]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := on.CreateGeneration(t.Context(), test.req)
			if f := fault.From(err); f == nil || f.Reason != test.reason || f.Field != test.field {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("off", func(t *testing.T) {
		_, err := h.grant(tenant.Default()).CreateGeneration(t.Context(), byURL("https://a/face", "https://a/style"))
		if f := fault.From(err); f == nil || f.Reason != faultv1.Reason_REASON_UNSUPPORTED || !strings.Contains(f.Message, "picture-urls") {
			t.Errorf("got %v", err)
		}
	})
}

func TestASubjectsPhotosByURL(t *testing.T) {
	e := openSubjects(t)
	photo := album(t, 1)[0]
	e.fetch = web(map[string][]byte{"https://a/face": photo})
	e.limit(tenant.Limits{PictureURLs: true})
	req := asking(photo)
	req.Subject.Photos[0] = onWeb("https://a/face")
	if s := e.enrol(t.Context(), t, req); s.GetUsedPhotoCount() != 1 {
		t.Errorf("enrolled %v", s)
	}
	req.Subject.Photos[0] = onWeb("https://b/")
	if _, err := e.subjects.CreateSubject(t.Context(), req); !fault.Is(err, faultv1.Reason_REASON_PICTURE_UNREACHABLE) || fault.From(err).Field != "photos[0]" {
		t.Errorf("got %v", err)
	}
}
