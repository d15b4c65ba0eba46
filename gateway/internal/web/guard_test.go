package web_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/web"
)

func TestOtherSitesAreKeptOut(t *testing.T) {
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	tests := []struct {
		name     string
		loopback bool
		hosts    []string
		host     string
		header   map[string]string
		let      bool
	}{
		{"a program", true, nil, "127.0.0.1:7433", nil, true},
		{"by name", true, nil, "localhost:7433", nil, true},
		{"IPv6", true, nil, "[::1]:7433", nil, true},
		{"our own page", true, nil, "localhost:7433", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:7433"}, true},
		{"a rebound name", true, nil, "evil.example:7433", nil, false},
		{"a name that looks right", true, nil, "127.0.0.1.evil.example", nil, false},
		{"no name", true, nil, "", nil, false},
		{"a proxy's name", true, []string{"studio.example"}, "Studio.Example", nil, true},
		{"another site's page", true, nil, "localhost:7433", map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
		{"another site's page, old browser", true, nil, "localhost:7433", map[string]string{"Origin": "http://evil.example"}, false},
		{"another port's page", true, nil, "localhost:7433", map[string]string{"Origin": "http://localhost:8000"}, false},
		{"open, any name", false, nil, "studio.example", nil, true},
		{"open, another name", false, []string{"studio.example"}, "evil.example", nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, err := web.New(web.Settings{API: api, Loopback: test.loopback, Hosts: test.hosts})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/generations", nil)
			r.Host = test.host
			for name, value := range test.header {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if want := map[bool]int{true: http.StatusTeapot, false: http.StatusForbidden}[test.let]; w.Code != want {
				t.Errorf("got %d, want %d: %s", w.Code, want, w.Body)
			}
			if w.Header().Get("Content-Security-Policy") == "" {
				t.Error("no policy")
			}
		})
	}
}
