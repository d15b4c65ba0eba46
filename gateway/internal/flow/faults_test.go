package flow_test

import (
	"context"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/flow"
	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/services/fault"
)

var noFace = &faultv1.Fault{Reason: faultv1.Reason_REASON_NO_FACE_FOUND, Field: "photos[0]", Message: "no face was found; send another photo"}

// status is a fault as it arrives from a stage.
func status(kind fault.Kind, reason faultv1.Reason, field string) error {
	return fault.ToStatus(fault.New(kind, reason, field, "it is wrong; do it right")).Err()
}

func TestFaultsNameTheFieldOfTheGeneration(t *testing.T) {
	invalid := func(reason faultv1.Reason, field string) error { return status(fault.Invalid, reason, field) }
	tests := map[string]struct {
		change func(*fixture, *gatewayv1.Generation)
		reason faultv1.Reason
		field  string
	}{
		"a photo of the call": {
			change: func(f *fixture, _ *gatewayv1.Generation) {
				f.embedFaces = func(context.Context, *encoderv1.EmbedFacesRequest) (*encoderv1.EmbedFacesResponse, error) {
					return nil, status(fault.Precondition, faultv1.Reason_REASON_BLOB_MISSING, "photos[2]")
				}
			},
			reason: faultv1.Reason_REASON_BLOB_MISSING, field: "subjects[0].photos[2]",
		},
		"all photos of the call": {
			change: func(f *fixture, _ *gatewayv1.Generation) {
				f.embedFaces = func(context.Context, *encoderv1.EmbedFacesRequest) (*encoderv1.EmbedFacesResponse, error) {
					return nil, invalid(faultv1.Reason_REASON_INVALID_FIELD, "photos")
				}
			},
			reason: faultv1.Reason_REASON_INVALID_FIELD, field: "subjects[0].photos",
		},
		"the only photo": {
			change: func(f *fixture, _ *gatewayv1.Generation) { f.embedFaces = verdicts(noFace) },
			reason: faultv1.Reason_REASON_NO_FACE_FOUND, field: "subjects[0].photos[0]",
		},
		"a prompt of too many tokens": {
			change: func(f *fixture, _ *gatewayv1.Generation) {
				f.embedTexts = func(context.Context, *encoderv1.EmbedTextsRequest) (*encoderv1.EmbedTextsResponse, error) {
					return nil, invalid(faultv1.Reason_REASON_PROMPT_TOO_LONG, "texts[0]")
				}
			},
			reason: faultv1.Reason_REASON_PROMPT_TOO_LONG, field: "prompt",
		},
		"a prior's refusal": {
			change: func(f *fixture, _ *gatewayv1.Generation) {
				f.embedImage = func(context.Context, *priorv1.EmbedImageRequest) (*priorv1.EmbedImageResponse, error) {
					return nil, status(fault.Precondition, faultv1.Reason_REASON_ROLE_MISSING, "text_embedding")
				}
			},
			reason: faultv1.Reason_REASON_ROLE_MISSING, field: "prompt",
		},
		"a style picture that the detector cannot read": {
			change: func(f *fixture, g *gatewayv1.Generation) {
				f.style(g, 1)
				f.detectFaces = func(context.Context, *encoderv1.DetectFacesRequest) (*encoderv1.DetectFacesResponse, error) {
					return nil, invalid(faultv1.Reason_REASON_UNSUPPORTED_IMAGE, "picture")
				}
			},
			reason: faultv1.Reason_REASON_UNSUPPORTED_IMAGE, field: "style",
		},
		"a truncated style picture": {
			change: func(f *fixture, g *gatewayv1.Generation) {
				f.style(g, 1)
				g.Style = &mediav1.Picture{Source: &mediav1.Picture_Data{Data: stylePNG[:len(stylePNG)/2]}}
			},
			reason: faultv1.Reason_REASON_UNSUPPORTED_IMAGE, field: "style",
		},
		"a style picture that is gone": {
			change: func(f *fixture, g *gatewayv1.Generation) {
				f.style(g, 1)
				g.Style = &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: &mediav1.Blob{
					Sha256: "0000000000000000000000000000000000000000000000000000000000000000", Size: 1,
				}}}
			},
			reason: faultv1.Reason_REASON_BLOB_MISSING, field: "style",
		},
		"a background to keep behind nobody": {
			change: func(f *fixture, g *gatewayv1.Generation) { f.style(g, 1); keep(g); f.detectFaces = noFaces },
			reason: faultv1.Reason_REASON_NO_FACE_FOUND, field: "style",
		},
		"a segmenter's refusal": {
			change: func(f *fixture, g *gatewayv1.Generation) {
				f.style(g, 1)
				keep(g)
				f.segment = func(context.Context, *segmenterv1.SegmentPeopleRequest) (*segmenterv1.SegmentPeopleResponse, error) {
					return nil, invalid(faultv1.Reason_REASON_INVALID_FIELD, "faces[0]")
				}
			},
			reason: faultv1.Reason_REASON_INVALID_FIELD, field: "style",
		},
		"steps that the denoiser refuses": {
			change: func(f *fixture, _ *gatewayv1.Generation) { f.denoise = refusing("steps") },
			reason: faultv1.Reason_REASON_INVALID_FIELD, field: "steps",
		},
		"a mask that the denoiser refuses": {
			change: func(f *fixture, _ *gatewayv1.Generation) { f.denoise = refusing("identities[0].mask") },
			reason: faultv1.Reason_REASON_INVALID_FIELD, field: "subjects[0]",
		},
		"a stage that is away": {
			change: func(f *fixture, _ *gatewayv1.Generation) {
				f.denoise = func(context.Context, *denoiserv1.DenoiseRequest) (events, error) {
					return nil, status(fault.Unavailable, faultv1.Reason_REASON_UNAVAILABLE, "")
				}
			},
			reason: faultv1.Reason_REASON_UNAVAILABLE,
		},
		"a denoiser that stops in the middle": {
			change: func(f *fixture, _ *gatewayv1.Generation) {
				f.denoise = func(_ context.Context, req *denoiserv1.DenoiseRequest) (events, error) { return made(req)[:1], nil }
			},
			reason: faultv1.Reason_REASON_UNAVAILABLE,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f, g := open(t), request()
			test.change(f, g)
			_, err := f.run(t.Context(), g)
			got := fault.From(err)
			if got == nil {
				t.Fatal("no error")
			}
			equal(t, "reason", got.Reason, test.reason)
			equal(t, "field", got.Field, test.field)
		})
	}
}

// verdicts answers EmbedFaces with the given faults, nil for a good photo.
func verdicts(faults ...*faultv1.Fault) func(context.Context, *encoderv1.EmbedFacesRequest) (*encoderv1.EmbedFacesResponse, error) {
	return func(_ context.Context, req *encoderv1.EmbedFacesRequest) (*encoderv1.EmbedFacesResponse, error) {
		response := new(encoderv1.EmbedFacesResponse)
		if req.GetLargestOfSeveral() {
			faults = []*faultv1.Fault{nil}
		}
		for i, f := range faults {
			one := &encoderv1.EmbeddedFace{Fault: f}
			if f == nil {
				// Good photos point along different axes.
				one.Embedding = vector(0, float32((i+1)%2), float32(i%2))
			}
			response.Faces = append(response.Faces, one)
		}
		return response, nil
	}
}

func refusing(field string) func(context.Context, *denoiserv1.DenoiseRequest) (events, error) {
	return func(context.Context, *denoiserv1.DenoiseRequest) (events, error) {
		return nil, status(fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, field)
	}
}

func TestEveryPhotoGetsItsVerdict(t *testing.T) {
	photos := func(g *gatewayv1.Generation, n int) {
		g.Subjects[0].Photos = nil
		for range n {
			g.Subjects[0].Photos = append(g.Subjects[0].Photos, inline("photo"))
		}
	}
	check := func(t *testing.T, result flow.Result, used ...bool) {
		t.Helper()
		equal(t, "verdicts", len(result.Verdicts), len(used))
		for i, v := range result.Verdicts {
			equal(t, "photo", v.GetPhoto(), "subjects[0].photos["+string(rune('0'+i))+"]")
			equal(t, "used", v.GetUsed(), used[i])
			equal(t, "fault", v.GetFault() != nil, !used[i])
			if !used[i] {
				equal(t, "field of the fault", v.GetFault().GetField(), v.GetPhoto())
			}
		}
	}
	t.Run("one bad photo of three", func(t *testing.T) {
		f, g := open(t), request()
		photos(g, 3)
		f.embedFaces = verdicts(nil, noFace, nil)
		result, err := f.run(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		check(t, result, true, false, true)
	})
	t.Run("the mean is renormalised", func(t *testing.T) {
		f, g := open(t), request()
		photos(g, 2)
		f.embedFaces = verdicts(nil, nil)
		if _, err := f.run(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		sent := requestsOf[*denoiserv1.DenoiseRequest](f.stages, "Denoise")[0].GetIdentities()[0].GetFaceEmbedding()
		want := vector(0, 0.70710677, 0.70710677)
		equal(t, "embedding", string(sent.GetData()), string(want.GetData()))
	})
	t.Run("none is usable", func(t *testing.T) {
		f, g := open(t), request()
		photos(g, 2)
		f.embedFaces = verdicts(noFace, noFace)
		result, err := f.run(t.Context(), g)
		check(t, result, false, false)
		got := fault.From(err)
		equal(t, "reason", got.Reason, faultv1.Reason_REASON_NO_FACE_FOUND)
		equal(t, "field", got.Field, "subjects[0].photos[0]")
		equal(t, "message", got.Message, "none of the 2 photos can be used; the first: "+noFace.GetMessage())
	})
}
