package web_test

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/gateway/internal/web"
)

// maxPage is what the page may weigh on the way, with all that it ever loads but
// the documentation, bytes.
const maxPage = 100_000

func get(t *testing.T, h http.Handler, path, encoding, tag string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Host = "localhost"
	r.Header.Set("Accept-Encoding", encoding)
	r.Header.Set("If-None-Match", tag)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func content(t *testing.T, from io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestThePageIsLight(t *testing.T) {
	h, err := web.New(web.Settings{API: http.NotFoundHandler(), Document: []byte("{}"), Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	err = filepath.WalkDir("static", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), "docs.") {
			return err
		}
		address := strings.TrimPrefix(path, "static")
		if address == "/index.html" {
			address = "/"
		}
		res := get(t, h, address, "gzip, br", "")
		if res.Code != http.StatusOK {
			t.Errorf("%s: got %d", address, res.Code)
		}
		total += len(content(t, res.Body))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the page weighs %d bytes", total)
	if total > maxPage {
		t.Errorf("the page weighs %d bytes", total)
	}
}

func TestFilesArePackedForWhoTakesThat(t *testing.T) {
	h, err := web.New(web.Settings{API: http.NotFoundHandler(), Document: []byte("{}"), Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	plain := get(t, h, "/app.css", "gzip;q=0", "")
	if plain.Header().Get("Content-Encoding") != "" || content(t, plain.Body) != string(want) {
		t.Error("who takes no gzip got something else than the file")
	}
	packed := get(t, h, "/app.css", "br, gzip;q=0.5", "")
	reader, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	if content(t, reader) != string(want) || packed.Header().Get("Vary") != "Accept-Encoding" || packed.Header().Get("ETag") == plain.Header().Get("ETag") {
		t.Errorf("packed: %v", packed.Header())
	}
	if again := get(t, h, "/app.css", "gzip", packed.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("again: %d", again.Code)
	}
	if picture := get(t, h, "/gallery/jun.jpg", "gzip", ""); picture.Header().Get("Content-Encoding") != "" {
		t.Error("a picture is packed")
	}
}
