package segmenter_test

import (
	"strings"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	segmenter "github.com/facestudio/facestudio/segmenter-svc"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/stage"
)

var (
	left  = &mediav1.Box{X: 20, Y: 40, Width: 40, Height: 40}
	right = &mediav1.Box{X: 70, Y: 40, Width: 40, Height: 40}
)

func inline(data []byte) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}}
}

func masks(t *testing.T, c segmenterv1.SegmenterServiceClient, blobs *blob.Store, req *segmenterv1.SegmentPeopleRequest) []*imaging.Gray {
	t.Helper()
	req.Picture = inline(testkit.ExampleFace(t))
	out, err := c.SegmentPeople(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var read []*imaging.Gray
	for _, m := range out.GetMasks() {
		data, err := blobs.Picture(t.Context(), stage.Tenant, m)
		if err != nil {
			t.Fatal(err)
		}
		g, err := imaging.DecodeGray(data, imaging.Limits{MinSide: 1})
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, g)
	}
	return read
}

func TestSegmentPeople(t *testing.T) {
	env := stage.Env(t)
	c := segmenterv1.NewSegmenterServiceClient(stage.Dial(t, stage.Build(t, segmenter.Build, env)))
	for name, test := range map[string]struct {
		req  *segmenterv1.SegmentPeopleRequest
		w, h int
	}{
		"one":                     {&segmenterv1.SegmentPeopleRequest{Faces: []*mediav1.Box{left}}, 128, 128},
		"two":                     {&segmenterv1.SegmentPeopleRequest{Faces: []*mediav1.Box{left, right}}, 128, 128},
		"of other size":           {&segmenterv1.SegmentPeopleRequest{Faces: []*mediav1.Box{left, right}, Width: 96, Height: 64}, 96, 64},
		"too large for a message": {&segmenterv1.SegmentPeopleRequest{Faces: []*mediav1.Box{left, right}, Width: 2048, Height: 2048}, 2048, 2048},
		"outside":                 {&segmenterv1.SegmentPeopleRequest{Faces: []*mediav1.Box{{X: -500, Y: 900, Width: 10, Height: 10}}}, 128, 128},
	} {
		t.Run(name, func(t *testing.T) {
			got := masks(t, c, env.Blobs, test.req)
			if len(got) != len(test.req.GetFaces()) || got[0].W != test.w || got[0].H != test.h {
				t.Fatalf("%d masks of %dx%d", len(got), got[0].W, got[0].H)
			}
			for i := range got[0].Pix {
				sum := 0
				for _, m := range got {
					sum += int(m.Pix[i])
				}
				if sum > 255 {
					t.Fatalf("masks sum to %d at %d", sum, i)
				}
			}
		})
	}
}

func TestRequestsRefused(t *testing.T) {
	c := segmenterv1.NewSegmenterServiceClient(stage.Dial(t, stage.Build(t, segmenter.Build, stage.Env(t))))
	picture := inline(testkit.ExampleFace(t))
	for name, test := range map[string]struct {
		req   *segmenterv1.SegmentPeopleRequest
		want  faultv1.Reason
		field string
	}{
		"no faces":       {&segmenterv1.SegmentPeopleRequest{Picture: picture}, faultv1.Reason_REASON_INVALID_FIELD, "faces"},
		"nine faces":     {&segmenterv1.SegmentPeopleRequest{Picture: picture, Faces: make([]*mediav1.Box, 9)}, faultv1.Reason_REASON_INVALID_FIELD, "faces"},
		"a flat face":    {&segmenterv1.SegmentPeopleRequest{Picture: picture, Faces: []*mediav1.Box{left, {Width: 5}}}, faultv1.Reason_REASON_INVALID_FIELD, "faces[1]"},
		"too wide":       {&segmenterv1.SegmentPeopleRequest{Picture: picture, Faces: []*mediav1.Box{left}, Width: 5000}, faultv1.Reason_REASON_INVALID_FIELD, "width"},
		"no picture":     {&segmenterv1.SegmentPeopleRequest{Faces: []*mediav1.Box{left}}, faultv1.Reason_REASON_INVALID_FIELD, "picture"},
		"not a picture":  {&segmenterv1.SegmentPeopleRequest{Picture: inline([]byte("hello")), Faces: []*mediav1.Box{left}}, faultv1.Reason_REASON_UNSUPPORTED_IMAGE, "picture"},
		"another bundle": {&segmenterv1.SegmentPeopleRequest{Bundle: strings.Repeat("0", 64)}, faultv1.Reason_REASON_BUNDLE_MISMATCH, "bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.SegmentPeople(t.Context(), test.req)
			if f := fault.From(err); err == nil || f.Reason != test.want || f.Field != test.field {
				t.Errorf("got %+v, want %v at %s", f, test.want, test.field)
			}
		})
	}
}
