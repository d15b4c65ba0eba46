package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
)

// picture answers with the bytes of a result.
func (a *API) picture(w http.ResponseWriter, r *http.Request, path map[string]string) {
	ctx, err := a.call(r, gatewayv1.GenerationService_GetPicture_FullMethodName)
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	var md metadata.MD
	got, err := a.generations.GetPicture(ctx, &gatewayv1.GetPictureRequest{Name: path["name"]}, grpc.Header(&md))
	tellLimits(w, md)
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	sum := sha256.Sum256(got.GetData())
	etag := strconv.Quote(hex.EncodeToString(sum[:16]))
	h := w.Header()
	// A picture never changes, but it expires, and it is the caller's alone.
	h.Set("Cache-Control", "private, max-age=3600")
	h.Set("Vary", "Authorization")
	h.Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	kind := "inline"
	if _, ok := r.URL.Query()["download"]; ok {
		kind = "attachment"
	}
	h.Set("Content-Disposition", mime.FormatMediaType(kind, map[string]string{"filename": fileName(path["name"], got.GetMediaType())}))
	h.Set("Content-Type", got.GetMediaType())
	h.Set("Content-Length", strconv.Itoa(len(got.GetData())))
	// The caller is gone if that fails.
	_, _ = w.Write(got.GetData())
}

// fileName is what a picture is called when it is saved:
// "facestudio-ab12cd34-0.png".
func fileName(name, mediaType string) string {
	parts := strings.Split(name, "/")
	extension := strings.TrimPrefix(mediaType, "image/")
	if extension == "jpeg" {
		extension = "jpg"
	}
	id := parts[1]
	return "facestudio-" + id[:min(8, len(id))] + "-" + parts[3] + "." + extension
}
