package outbound_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/facestudio/facestudio/gateway/internal/outbound"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func TestFetchPicture(t *testing.T) {
	port, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/picture":
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write([]byte("0123456789"))
		case "/endless":
			w.Header().Set("Content-Type", "image/png")
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		case "/page":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
		case "/moved":
			http.Redirect(w, r, "/picture", http.StatusFound)
		case "/slow":
			<-r.Context().Done()
		default:
			http.NotFound(w, r)
		}
	})
	tests := []struct {
		name, url string
		within    time.Duration
		reason    faultv1.Reason
		says      string
	}{
		{"a picture", "http://127.0.0.1:" + port + "/picture", time.Minute, 0, ""},
		{"too large", "http://127.0.0.1:" + port + "/endless", time.Minute, faultv1.Reason_REASON_IMAGE_TOO_LARGE, "10 bytes"},
		{"a page", "http://127.0.0.1:" + port + "/page", time.Minute, faultv1.Reason_REASON_PICTURE_UNREACHABLE, "else than a picture"},
		{"a redirection", "http://127.0.0.1:" + port + "/moved", time.Minute, faultv1.Reason_REASON_PICTURE_UNREACHABLE, "answered 302"},
		{"nothing", "http://127.0.0.1:" + port + "/", time.Minute, faultv1.Reason_REASON_PICTURE_UNREACHABLE, "answered 404"},
		{"slow", "http://127.0.0.1:" + port + "/slow", 50 * time.Millisecond, faultv1.Reason_REASON_PICTURE_UNREACHABLE, "in time"},
		{"private", "https://10.0.0.1/", time.Minute, faultv1.Reason_REASON_INVALID_FIELD, "public"},
		{"a name of a private one", "http://inside.example.com:" + port, time.Minute, faultv1.Reason_REASON_PICTURE_UNREACHABLE, "not a public one"},
		{"no URL", "picture.png", time.Minute, faultv1.Reason_REASON_INVALID_FIELD, "https://"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := outbound.Settings{Local: true, Resolver: names(t, [4]byte{192, 168, 0, 1})}
			client := s.Client(test.within)
			defer client.CloseIdleConnections()
			data, err := s.FetchPicture(t.Context(), client, test.url, 10)
			if test.reason == 0 {
				if err != nil || string(data) != "0123456789" {
					t.Errorf("got %q, %v", data, err)
				}
				return
			}
			if f := fault.From(err); f == nil || f.Reason != test.reason || !strings.Contains(f.Message, test.says) || strings.Contains(f.Message, "127.0.0.1") || strings.Contains(f.Message, "192.168") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("a caller that goes", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		s := outbound.Settings{Local: true}
		client := s.Client(time.Minute)
		defer client.CloseIdleConnections()
		if _, err := s.FetchPicture(ctx, client, "http://127.0.0.1:"+port+"/slow", 10); !fault.Is(err, faultv1.Reason_REASON_CANCELLED) {
			t.Errorf("got %v", err)
		}
	})
}
