package api_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/api"
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/testkit"
)

// eyes are a picture service that sees one person in whatever is stored.
type eyes struct {
	*api.Pictures
	blobs *countingBlobs
	style *mediav1.Picture
	// lost is how many looks find the picture gone.
	lost int
	// seen are the pictures that were looked at, and dropped those that may go.
	seen    [][]byte
	dropped int
}

func openEyes(t *testing.T, h *harness) *eyes {
	t.Helper()
	e := &eyes{blobs: h.blobs}
	e.Pictures = api.NewPictures(api.PicturesSettings{
		Settings: api.Settings{
			CheckPicture: func(_ string, data []byte) error { return imaging.Check(data, imaging.Limits{}) },
			Limits:       func(string) tenant.Limits { return tenant.Limits{} },
			Style:        func(context.Context, string, string) (*mediav1.Picture, error) { return e.style, nil },
			Drop:         func(_ string, blobs []*mediav1.Blob) { e.dropped += len(blobs) },
			Now:          h.now,
		},
		Blobs: h.blobs,
		Size:  func(data []byte) (int, int, error) { return imaging.Size(data, imaging.Limits{}) },
		Detect: func(ctx context.Context, picture *mediav1.Picture) (*gatewayv1.DetectPeopleResponse, error) {
			call, _ := jobqueue.CallFrom(ctx)
			data, err := e.blobs.Get(ctx, call.Tenant, picture.GetBlob())
			if err != nil {
				return nil, err
			}
			if e.seen = append(e.seen, data); len(e.seen) <= e.lost {
				return nil, fault.New(fault.Precondition, faultv1.Reason_REASON_BLOB_MISSING, "picture", "it is gone")
			}
			return &gatewayv1.DetectPeopleResponse{People: []*gatewayv1.DetectedPerson{{Box: &mediav1.Box{Width: 8, Height: 8}}}, Width: 128, Height: 128}, nil
		},
	})
	return e
}

func TestDetectPeople(t *testing.T) {
	picture := testkit.ExampleFaces(t)[0]
	named := func(name string) *mediav1.Picture {
		return &mediav1.Picture{Source: &mediav1.Picture_Name{Name: name}}
	}
	ada := jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "ada"})
	bob := jobqueue.WithCall(t.Context(), jobqueue.Call{Tenant: "bob"})
	h := open(t)
	stored, err := openEyes(t, h).CreatePicture(ada, &gatewayv1.CreatePictureRequest{Data: picture})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := h.blobs.Store.Put(ada, "ada", blob.Style, picture, "image/jpeg")
	if err != nil {
		t.Fatal(err)
	}
	byDigest := &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: kept}}
	const ok = faultv1.Reason_REASON_UNSPECIFIED
	for name, test := range map[string]struct {
		of      context.Context
		picture *mediav1.Picture
		lost    int
		want    faultv1.Reason
	}{
		"bytes":                 {ada, inline(picture), 0, ok},
		"an uploaded one":       {ada, named(stored.GetName()), 0, ok},
		"a style":               {ada, named("styles/00000000000000000000000000"), 0, ok},
		"a stored one":          {ada, byDigest, 0, ok},
		"gone once":             {ada, inline(picture), 1, ok},
		"gone each time":        {ada, inline(picture), 9, faultv1.Reason_REASON_BLOB_MISSING},
		"another tenant's name": {bob, named(stored.GetName()), 0, faultv1.Reason_REASON_UNKNOWN_PICTURE},
		"another tenant's":      {bob, byDigest, 0, faultv1.Reason_REASON_BLOB_MISSING},
		"none":                  {ada, nil, 0, faultv1.Reason_REASON_INVALID_FIELD},
		"no picture":            {ada, inline([]byte("words")), 0, faultv1.Reason_REASON_UNSUPPORTED_IMAGE},
		"by URL":                {ada, &mediav1.Picture{Source: &mediav1.Picture_Url{Url: "https://example.com/a.jpg"}}, 0, faultv1.Reason_REASON_UNSUPPORTED},
	} {
		t.Run(name, func(t *testing.T) {
			e := openEyes(t, h)
			e.style, e.lost = byDigest, test.lost
			got, err := e.DetectPeople(test.of, &gatewayv1.DetectPeopleRequest{Picture: test.picture})
			if test.want != ok {
				if f := fault.From(err); err == nil || f.Reason != test.want || f.Field != "picture" && test.want != faultv1.Reason_REASON_BLOB_MISSING {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || len(got.GetPeople()) != 1 || !bytes.Equal(e.seen[test.lost], picture) {
				t.Errorf("got %v, %v", got, err)
			}
			if e.dropped != test.lost+1 {
				t.Errorf("%d pictures may go", e.dropped)
			}
		})
	}
}
