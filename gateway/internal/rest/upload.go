package rest

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// maxChunk bounds a chunk of an upload, bytes; the API has the same bound.
const maxChunk = 1 << 20

// isPicture tells whether a request's body is the bytes of a picture.
func isPicture(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (strings.HasPrefix(kind, "image/") || kind == "application/octet-stream")
}

// createPicture stores the picture that is the body.
func (a *API) createPicture(w http.ResponseWriter, r *http.Request) {
	ctx, err := a.call(r, gatewayv1.PictureService_CreatePicture_FullMethodName)
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	data, err := body(r, "data", maxPicture)
	if err != nil {
		refuse(w, r, err)
		return
	}
	stored, err := a.pictures.CreatePicture(ctx, &gatewayv1.CreatePictureRequest{
		Data: data, Sha256: r.URL.Query().Get("sha256"),
	})
	answer(w, stored, err)
}

// detectPeople tells who is in the picture that is the body.
func (a *API) detectPeople(w http.ResponseWriter, r *http.Request) {
	ctx, err := a.call(r, gatewayv1.PictureService_DetectPeople_FullMethodName)
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	data, err := body(r, "picture", maxPicture)
	if err != nil {
		refuse(w, r, err)
		return
	}
	found, err := a.pictures.DetectPeople(ctx, &gatewayv1.DetectPeopleRequest{
		Picture: &mediav1.Picture{Source: &mediav1.Picture_Data{Data: data}},
	})
	answer(w, found, err)
}

// appendUpload adds the chunk that is the body to an upload, at the place that
// Content-Range says.
func (a *API) appendUpload(w http.ResponseWriter, r *http.Request, path map[string]string) {
	offset, err := rangeStart(r)
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	ctx, err := a.call(r, gatewayv1.PictureService_AppendUpload_FullMethodName)
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	data, err := body(r, "data", maxChunk)
	if err != nil {
		refuse(w, r, err)
		return
	}
	upload, err := a.pictures.AppendUpload(ctx, &gatewayv1.AppendUploadRequest{
		Name: path["name"], Offset: offset, Data: data,
	})
	answer(w, upload, err)
}

var contentRange = regexp.MustCompile(`^bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)$`)

// rangeStart is where the body begins within the whole, 0 when that is not told.
func rangeStart(r *http.Request) (int64, error) {
	text := r.Header.Get("Content-Range")
	if text == "" {
		return 0, nil
	}
	parts := contentRange.FindStringSubmatch(text)
	if parts == nil {
		return 0, fault.InvalidField("offset", "%.60q is no range: write Content-Range: bytes FIRST-LAST/SIZE", text)
	}
	first, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the range: %w", err)
	}
	last, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the range: %w", err)
	}
	if r.ContentLength >= 0 && last-first+1 != r.ContentLength {
		return 0, fault.InvalidField("offset", "the range has %d bytes and the body %d: they must agree", last-first+1, r.ContentLength)
	}
	return first, nil
}

// body reads a request's body of at most so many bytes.
func body(r *http.Request, field string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err != nil {
		return nil, badBody(err)
	}
	if int64(len(data)) > most {
		return nil, fault.InvalidField(field, "the body has more than %d bytes: send fewer at once", most)
	}
	return data, nil
}

func badBody(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, "", "the body broke off: send it again")
}

// answer answers with a message as JSON, or with a problem.
func answer(w http.ResponseWriter, m proto.Message, err error) {
	var data []byte
	if err == nil {
		data, err = marshaler.Marshal(m)
	}
	if err != nil {
		ProblemOf(err).write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The caller is gone if that fails.
	_, _ = w.Write(data)
}
