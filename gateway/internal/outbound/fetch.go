package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

const userAgent = "FaceStudio/1"

// FetchPicture reads the picture that a URL has, at most so many bytes. It fails
// with INVALID_FIELD for what is no URL for requests, IMAGE_TOO_LARGE, or
// PICTURE_UNREACHABLE, without a field; the messages tell nothing of the network.
// That the bytes are a picture is the caller's to check.
func (s Settings) FetchPicture(ctx context.Context, client *http.Client, url string, most int) ([]byte, error) {
	if err := s.CheckURL(url); err != nil {
		return nil, fault.InvalidField("", "%v", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fault.InvalidField("", "%v: write https://host/path", ErrURL)
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "image/*")
	res, err := client.Do(req)
	if err != nil {
		return nil, unread(ctx, err)
	}
	defer res.Body.Close()
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case res.StatusCode != http.StatusOK:
		return nil, unreachable(nil, "the host answered %d; redirections are not followed", res.StatusCode)
	case kind != "" && kind != "application/octet-stream" && !strings.HasPrefix(kind, "image/"):
		return nil, unreachable(nil, "the host answered with something else than a picture")
	case res.ContentLength > int64(most):
		return nil, tooLarge(most)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, int64(most)+1))
	if err != nil {
		return nil, unread(ctx, err)
	}
	if len(data) > most {
		return nil, tooLarge(most)
	}
	return data, nil
}

// unread is why a picture could not be read, in words that tell nothing of our
// network. The end of the call itself stays what it is.
func unread(ctx context.Context, err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.Is(err, ErrAddress):
		return unreachable(err, "its host is not a public one")
	case errors.As(err, &timeout) && timeout.Timeout():
		return unreachable(err, "the host did not answer in time")
	default:
		return unreachable(err, "the host cannot be reached")
	}
}

func unreachable(err error, format string, args ...any) error {
	return fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_PICTURE_UNREACHABLE, "",
		"the picture's URL cannot be read: %s; check it, or send the bytes", fmt.Sprintf(format, args...))
}

func tooLarge(most int) error {
	return fault.New(fault.Invalid, faultv1.Reason_REASON_IMAGE_TOO_LARGE, "", "the picture has more than the %d bytes that are read; scale it down", most)
}
