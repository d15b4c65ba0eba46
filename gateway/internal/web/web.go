// Package web is what the gateway shows to people: the page that makes pictures,
// and the page of the API's documentation. Both are files in this package, served
// as they are, and ask nobody else for anything.
package web

import (
	"bytes"
	"compress/gzip"
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
	document, err := newFile("openapi.json", s.Document)
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	mux.Handle("GET /openapi.json", document)
	err = fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := newFile(path.Base(name), data)
		if err != nil {
			return err
		}
		mux.Handle("GET "+address(name), f)
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
	name, mediaType string
	plain           body
	// packed is for those who take gzip; without data where that saves nothing.
	packed body
}

// body is the bytes of a file and their tag.
type body struct {
	data []byte
	etag string
}

func newBody(data []byte) body {
	sum := sha256.Sum256(data)
	return body{data, strconv.Quote(hex.EncodeToString(sum[:16]))}
}

func newFile(name string, data []byte) (*file, error) {
	f := &file{name: name, mediaType: mime.TypeByExtension(path.Ext(name)), plain: newBody(data)}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if packed.Len() < len(data)*9/10 {
		f.packed = newBody(packed.Bytes())
	}
	return f, nil
}

// ServeHTTP implements http.Handler. Browsers ask each time whether a file is
// still the same, so that a new version of the server is never half seen.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Cache-Control", "no-cache")
	b := f.plain
	if f.packed.data != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r) {
			b = f.packed
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", b.etag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(b.data))
}

// takesGzip tells whether gzip is among what a client names; who names it to refuse
// it ("gzip;q=0") does not get it either.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" {
			return !strings.HasPrefix(strings.ReplaceAll(weight, " ", ""), "q=0") || strings.ContainsAny(weight, "123456789")
		}
	}
	return false
}
