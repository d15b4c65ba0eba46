package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

// chunkSize is how much of a picture goes in one call, bytes: the most that the
// mesh takes.
const chunkSize = 1 << 20

// Upload sends a picture unless the mesh has it, and returns it by its name, for
// as many requests as need it: the mesh keeps it for 7 days. A large one goes in
// pieces, and on where a connection broke.
func (c *Client) Upload(ctx context.Context, data []byte) (*mediav1.Picture, error) {
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	named := &mediav1.Picture{Source: &mediav1.Picture_Name{Name: "pictures/" + digest}}
	_, err := again(ctx, c.forbearance(), func(ctx context.Context) (*gatewayv1.StoredPicture, error) {
		return c.Uploads.GetPicture(ctx, &gatewayv1.GetPictureRequest{Name: named.GetName()})
	})
	switch {
	case err == nil:
		return named, nil
	case status.Code(err) != codes.NotFound:
		return nil, err
	case len(data) <= chunkSize:
		_, err = again(ctx, c.forbearance(), func(ctx context.Context) (*gatewayv1.StoredPicture, error) {
			return c.Uploads.CreatePicture(ctx, &gatewayv1.CreatePictureRequest{Data: data, Sha256: digest})
		})
	default:
		err = c.uploadInPieces(ctx, data, digest)
	}
	if err != nil {
		return nil, fmt.Errorf("upload picture: %w", err)
	}
	return named, nil
}

func (c *Client) uploadInPieces(ctx context.Context, data []byte, digest string) error {
	u, err := again(ctx, c.forbearance(), func(ctx context.Context) (*gatewayv1.Upload, error) {
		return c.Uploads.CreateUpload(ctx, &gatewayv1.CreateUploadRequest{Upload: &gatewayv1.Upload{Sha256: digest, Size: int64(len(data))}})
	})
	if err != nil {
		return err
	}
	name := u.GetName()
	for u.GetOffset() < int64(len(data)) {
		at := u.GetOffset()
		chunk := data[at:min(at+chunkSize, int64(len(data)))]
		u, err = again(ctx, c.forbearance(), func(ctx context.Context) (*gatewayv1.Upload, error) {
			return c.Uploads.AppendUpload(ctx, &gatewayv1.AppendUploadRequest{Name: name, Offset: at, Data: chunk})
		})
		if is(err, faultv1.Reason_REASON_WRONG_OFFSET) {
			// The answer to a chunk that came was lost.
			u, err = again(ctx, c.forbearance(), func(ctx context.Context) (*gatewayv1.Upload, error) {
				return c.Uploads.GetUpload(ctx, &gatewayv1.GetUploadRequest{Name: name})
			})
		}
		if err != nil {
			return err
		}
	}
	_, err = again(ctx, c.forbearance(), func(ctx context.Context) (*gatewayv1.StoredPicture, error) {
		return c.Uploads.FinishUpload(ctx, &gatewayv1.FinishUploadRequest{Name: name})
	})
	if is(err, faultv1.Reason_REASON_UNKNOWN_UPLOAD) {
		// The answer to a finish was lost, unless the picture is not there.
		_, err = again(ctx, c.forbearance(), func(ctx context.Context) (*gatewayv1.StoredPicture, error) {
			return c.Uploads.GetPicture(ctx, &gatewayv1.GetPictureRequest{Name: "pictures/" + digest})
		})
	}
	return err
}

// is tells whether an error has a reason.
func is(err error, reason faultv1.Reason) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Reason == reason
}
