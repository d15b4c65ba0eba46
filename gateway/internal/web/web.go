// Package web is what the gateway shows to people: the page that makes pictures,
// and the page of the API's documentation. Both are files in this package, served
// as they are, and ask nobody else for anything.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed static
var static embed.FS

// Settings says how the pages are served.
type Settings struct {
	// API answers below /v1/.
	API http.Handler
	// Document is the OpenAPI document, JSON.
	Document []byte
	// Loopback says that only this machine reaches the server: then only requests
	// for a name of it are answered.
	Loopback bool
	// Hosts are further names that requests may be for, in lower case, without a
	// port.
	Hosts []string
}

// New returns the handler of everything that the server answers over HTTP.
func New(s Settings) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle("/v1/", s.API)
	mux.Handle("GET /openapi.json", newFile("openapi.json", s.Document))
	err := fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		mux.Handle("GET "+address(name), newFile(path.Base(name), data))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	return guard(mux, s.Loopback, s.Hosts), nil
}

// address is where a file is served: pages without their extension.
func address(name string) string {
	name = strings.TrimPrefix(name, "static")
	if name == "/index.html" {
		return "/{$}"
	}
	return strings.TrimSuffix(name, ".html")
}

// file is one embedded file.
type file struct {
	name, mediaType, etag string
	data                  []byte
}

func newFile(name string, data []byte) *file {
	sum := sha256.Sum256(data)
	return &file{
		name: name, data: data,
		mediaType: mime.TypeByExtension(path.Ext(name)),
		etag:      strconv.Quote(hex.EncodeToString(sum[:16])),
	}
}

// ServeHTTP implements http.Handler. Browsers ask each time whether a file is
// still the same, so that a new version of the server is never half seen.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.data))
}
