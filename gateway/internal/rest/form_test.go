package rest_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// part of a form: a file when it has a name.
type part struct{ name, file, value string }

func formOf(t *testing.T, parts ...part) (string, io.Reader) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		var to io.Writer
		var err error
		if p.file == "" {
			to, err = w.CreateFormField(p.name)
		} else {
			to, err = w.CreateFormFile(p.name, p.file)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(to, p.value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), &b
}

func TestForm(t *testing.T) {
	var asked *gatewayv1.CreateGenerationRequest
	url := serve(t, &service{create: func(_ context.Context, req *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
		asked = req
		return &gatewayv1.Generation{Name: "generations/7"}, nil
	}}) + "/v1/generations"
	kind, body := formOf(t,
		part{"face.ada", "a.jpg", "1"}, part{"face.bob", "b.jpg", "2"}, part{"face.ada", "c.jpg", "3"}, part{"style", "s.png", "4"},
		part{"at.bob", "", "0"}, part{"at.ada", "", "10.5,20"}, part{"subject.eve", "", "subjects/9"},
		part{"prompt", "", "a hat"}, part{"alpha", "", "0.5"}, part{"pictureCount", "", "2"}, part{"seed", "", "18446744073709551615"},
		part{"background", "", "keep"}, part{"sampler", "", "dpmpp-2m"}, part{"karras_sigmas", "", "true"}, part{"timeout", "", "90s"},
		part{"labels.team", "", "red"}, part{"steps", "", ""}, part{"request_id", "", "r"},
		part{"generation", "", `{"guidanceScale":3,"labels":{"a":"b"}}`})
	if got := ask(t, "POST", url, kind, body); got.status != 200 || got.body != `{"name":"generations/7"}` {
		t.Fatalf("got %+v", got)
	}
	g := asked.GetGeneration()
	if asked.GetRequestId() != "r" || len(g.GetSubjects()) != 3 || g.GetPrompt() != "a hat" || g.GetAlpha() != 0.5 || g.GetPictureCount() != 2 ||
		g.GetSeed() != 1<<64-1 || g.GetBackground() != denoiserv1.Background_BACKGROUND_KEEP || g.GetSampler() != denoiserv1.Sampler_SAMPLER_DPMPP_2M ||
		!g.GetKarrasSigmas() || g.GetTimeout().GetSeconds() != 90 || g.Steps != nil || g.GetGuidanceScale() != 3 ||
		g.GetLabels()["team"] != "red" || g.GetLabels()["a"] != "b" || !proto.Equal(g.GetStyle(), inline('4')) {
		t.Errorf("asked %v", asked)
	}
	ada, bob, eve := g.GetSubjects()[0], g.GetSubjects()[1], g.GetSubjects()[2]
	if ada.GetName() != "ada" || len(ada.GetPhotos()) != 2 || ada.GetAt().GetPoint().GetX() != 10.5 ||
		bob.GetName() != "bob" || len(bob.GetPhotos()) != 1 || bob.GetAt().GetPerson() != 0 || bob.GetAt() == nil || eve.GetSubject() != "subjects/9" {
		t.Errorf("subjects are %v", g.GetSubjects())
	}
}

func TestBadForms(t *testing.T) {
	url := serve(t, &service{}) + "/v1/generations"
	tests := []struct {
		name          string
		parts         []part
		status        int
		reason, field string
	}{
		{"an unknown part", []part{{"fase", "", "x"}}, 400, "INVALID_FIELD", "fase"},
		{"no number", []part{{"steps", "", "many"}}, 400, "INVALID_FIELD", "steps"},
		{"no value of an enum", []part{{"background", "", "blue"}}, 400, "INVALID_FIELD", "background"},
		{"a field that is no text", []part{{"subjects", "", "x"}}, 400, "INVALID_FIELD", "subjects"},
		{"a message", []part{{"progress", "", "x"}}, 400, "INVALID_FIELD", "progress"},
		{"no place", []part{{"at", "", "left"}}, 400, "INVALID_FIELD", "at"},
		{"half a place", []part{{"at", "", "3,"}}, 400, "INVALID_FIELD", "at"},
		{"no JSON", []part{{"generation", "", "{"}}, 400, "INVALID_FIELD", "generation"},
		{"too many parts", make([]part, 600), 400, "INVALID_FIELD", ""},
		{"too much", []part{{"face", "a.jpg", strings.Repeat("x", 2<<20)}}, 413, "IMAGE_TOO_LARGE", ""},
	}
	for i := range tests[8].parts {
		tests[8].parts[i].name = "prompt"
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			kind, body := formOf(t, test.parts...)
			got := ask(t, "POST", url, kind, body)
			if p := got.problem(t); got.status != test.status || p.Reason != test.reason || p.Field != test.field {
				t.Errorf("got %d %+v", got.status, p)
			}
		})
	}
	t.Run("broken off", func(t *testing.T) {
		kind, body := formOf(t, part{"face", "a.jpg", strings.Repeat("x", 1000)})
		got := ask(t, "POST", url, kind, io.LimitReader(body, 500))
		if p := got.problem(t); got.status != 400 || p.Reason != "INVALID_FIELD" {
			t.Errorf("got %d %+v", got.status, p)
		}
	})
	t.Run("no boundary", func(t *testing.T) {
		if p := ask(t, "POST", url, "multipart/form-data", strings.NewReader("x")).problem(t); p.Reason != "INVALID_FIELD" {
			t.Errorf("got %+v", p)
		}
	})
}
