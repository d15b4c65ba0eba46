package rest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

func TestBodiesAreBounded(t *testing.T) {
	made := 0
	url := serve(t, &service{create: func(context.Context, *gatewayv1.CreateGenerationRequest) (*gatewayv1.Generation, error) {
		made++
		return &gatewayv1.Generation{Name: "generations/7"}, nil
	}})
	tests := []struct {
		name, path, kind, body string
		status                 int
		says                   string
	}{
		{"many values", "/v1/generations", "application/json", `{"subjects":[{}` + strings.Repeat(",{}", 20_000) + "]}", 400, "more than 16384 values"},
		{"a text that looks like many", "/v1/generations", "application/json", `{"prompt":"` + strings.Repeat(`,{\"[`, 20_000) + `"}`, 200, ""},
		{"more than could be in it", "/v1/uploads", "application/json", `{"sha256":"` + strings.Repeat("a", 1<<20) + `"}`, 400, "more than 1048576 bytes"},
		{"a form where nothing is taken", "/v1/generations/7", "application/x-www-form-urlencoded", "a=b", 200, "generations/7"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// Of no length, so that it is not known before it has come.
			got := ask(t, http.MethodPost, url+test.path, test.kind, struct{ io.Reader }{strings.NewReader(test.body)})
			if got.status != test.status || !strings.Contains(got.body, test.says) {
				t.Errorf("got %+v", got)
			}
		})
	}
	if made != 1 {
		t.Errorf("%d were made", made)
	}
}
