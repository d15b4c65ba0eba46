package rest_test

import (
	"io"
	"testing"
)

func TestTextsThatAreNotUTF8(t *testing.T) {
	url := serve(t, &service{})
	tests := []struct {
		name, method, path string
		part               part
		field              string
	}{
		{"name", "GET", "/v1/generations/%ff", part{}, ""},
		{"name of a watch", "GET", "/v1/generations/%ff:watch", part{}, ""},
		{"name of a picture", "GET", "/v1/generations/7/pictures/%c3%28", part{}, ""},
		{"name of an upload", "PUT", "/v1/uploads/%ff", part{}, ""},
		{"parameter", "GET", "/v1/generations?pageToken=%ff", part{}, "pageToken"},
		{"parameter's name", "GET", "/v1/generations?%ff=a", part{}, ""},
		{"parameter of a picture", "POST", "/v1/pictures?sha256=%ff", part{}, "sha256"},
		{"part", "POST", "/v1/generations", part{"prompt", "", "\xff"}, "prompt"},
		{"name of a subject", "POST", "/v1/generations", part{"subject.\xff", "", "subjects/9"}, ""},
		{"label", "POST", "/v1/generations", part{"labels.team", "", "a\xc3"}, "labels.team"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var kind string
			var body io.Reader
			if test.part.name != "" {
				kind, body = formOf(t, test.part)
			}
			got := ask(t, test.method, url+test.path, kind, body)
			if p := got.problem(t); p.Status != 400 || p.Reason != "INVALID_FIELD" || p.Field != test.field {
				t.Errorf("got %+v", p)
			}
		})
	}
}
