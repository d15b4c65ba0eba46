package flow

import (
	"context"
	"fmt"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/provenance"
)

// jpegQuality is that of JPEG results, 1..100.
const jpegQuality = 95

// finish stores a picture in the format that was asked for, with the record of
// the whole request in place of the denoiser's.
func (r *run) finish(ctx context.Context, i int, made *denoiserv1.DenoiseResult) (*mediav1.Blob, error) {
	data, err := r.blobs.Picture(ctx, r.job.Key.Tenant, made.GetPicture())
	if err != nil {
		return nil, fmt.Errorf("read picture %d: %w", i, err)
	}
	record, err := provenance.Read(data)
	if err != nil {
		return nil, fmt.Errorf("picture %d as it was made: %w", i, err)
	}
	if record.Request, err = provenance.Request(r.want); err != nil {
		return nil, fmt.Errorf("picture %d: %w", i, err)
	}
	if r.keeps() {
		record.Source = provenance.Composite
	}
	encoded, mediaType, err := r.encode(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("encode picture %d: %w", i, err)
	}
	if encoded, err = provenance.Sign(encoded, record); err != nil {
		return nil, fmt.Errorf("picture %d: %w", i, err)
	}
	stored, err := r.blobs.Put(ctx, r.job.Key.Tenant, blob.Week, encoded, mediaType)
	if err != nil {
		return nil, fmt.Errorf("store picture %d: %w", i, err)
	}
	return stored, nil
}

// encode returns a PNG in the format that was asked for, without metadata, and
// its media type.
func (r *run) encode(ctx context.Context, png []byte) ([]byte, string, error) {
	var encode func(*imaging.RGB) ([]byte, error)
	var mediaType string
	switch r.want.GetOutputFormat() {
	case gatewayv1.OutputFormat_OUTPUT_FORMAT_JPEG:
		encode, mediaType = func(p *imaging.RGB) ([]byte, error) { return imaging.EncodeJPEG(p, jpegQuality) }, "image/jpeg"
	case gatewayv1.OutputFormat_OUTPUT_FORMAT_WEBP:
		encode, mediaType = imaging.EncodeWebP, "image/webp"
	default:
		plain, err := imaging.WithoutXMP(png)
		return plain, pngType, err
	}
	if err := r.decoders.Acquire(ctx, 1); err != nil {
		return nil, "", fmt.Errorf("wait: %w", err)
	}
	defer r.decoders.Release(1)
	p, err := imaging.Decode(png, imaging.Limits{MinSide: 1, MaxBytes: maxPlaced})
	if err != nil {
		return nil, "", err
	}
	if r.want.GetOutputFormat() == gatewayv1.OutputFormat_OUTPUT_FORMAT_WEBP && max(p.W, p.H) > imaging.MaxWebPSide {
		return nil, "", fault.New(fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, "output_format",
			"the picture has %d x %d pixels, a WebP at most %d a side: ask for PNG or JPEG", p.W, p.H, imaging.MaxWebPSide)
	}
	out, err := encode(p)
	return out, mediaType, err
}
