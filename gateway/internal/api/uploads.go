package api

import (
	"bytes"
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/facestudio/facestudio/gateway/internal/upload"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
)

// UploadPicture implements PictureService.
func (p *Pictures) UploadPicture(stream grpc.ClientStreamingServer[gatewayv1.UploadPictureRequest, gatewayv1.StoredPicture]) error {
	ctx := stream.Context()
	call, err := caller(ctx)
	if err != nil {
		return err
	}
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	data, err := receive(stream)
	if err != nil {
		return err
	}
	stored, err := p.store(ctx, call.Tenant, "chunk", data)
	if err != nil {
		return err
	}
	return stream.SendAndClose(stored)
}

// receive reads a stream to its end and returns the announced bytes.
func receive(stream grpc.ClientStreamingServer[gatewayv1.UploadPictureRequest, gatewayv1.StoredPicture]) ([]byte, error) {
	first, err := stream.Recv()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	want := first.GetUpload()
	if want == nil {
		return nil, fault.InvalidField("upload", "the stream does not begin with what comes: send sha256 and size first")
	}
	if err := checkUpload(want); err != nil {
		return nil, err
	}
	var data bytes.Buffer
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if part.GetUpload() != nil {
			return nil, fault.InvalidField("upload", "it was sent before: send chunks alone after it")
		}
		if int64(data.Len()+len(part.GetChunk())) > want.GetSize() {
			return nil, fault.InvalidField("chunk", "more came than the %d bytes that were announced", want.GetSize())
		}
		data.Write(part.GetChunk())
	}
	if int64(data.Len()) < want.GetSize() {
		return nil, fault.InvalidField("chunk", "%d of the %d bytes that were announced came: send all of them", data.Len(), want.GetSize())
	}
	if got := digest(data.Bytes()).GetSha256(); got != want.GetSha256() {
		return nil, fault.InvalidField("upload.sha256", "the bytes that came have digest %s: send them anew", got)
	}
	return data.Bytes(), nil
}

// checkUpload checks what is announced.
func checkUpload(u *gatewayv1.Upload) error {
	if err := checkDigest("upload.sha256", u.GetSha256()); err != nil {
		return err
	}
	if n := u.GetSize(); n < 1 || n > maxPictureBytes {
		return fault.InvalidField("upload.size", "%d is outside 1..%d: scale the picture down", n, maxPictureBytes)
	}
	return nil
}

// CreateUpload implements PictureService.
func (p *Pictures) CreateUpload(ctx context.Context, req *gatewayv1.CreateUploadRequest) (*gatewayv1.Upload, error) {
	call, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkUpload(req.GetUpload()); err != nil {
		return nil, err
	}
	id, err := newID(call.Tenant, "", p.set.Settings)
	if err != nil {
		return nil, err
	}
	u := &gatewayv1.Upload{Sha256: req.GetUpload().GetSha256(), Size: req.GetUpload().GetSize()}
	if err := p.set.Uploads.Begin(ctx, jobqueue.RecordKey{Tenant: call.Tenant, ID: id}, u); err != nil {
		return nil, err
	}
	return u, nil
}

// GetUpload implements PictureService.
func (p *Pictures) GetUpload(ctx context.Context, req *gatewayv1.GetUploadRequest) (*gatewayv1.Upload, error) {
	key, err := uploadKey(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return p.set.Uploads.Get(ctx, key)
}

// AppendUpload implements PictureService.
func (p *Pictures) AppendUpload(ctx context.Context, req *gatewayv1.AppendUploadRequest) (*gatewayv1.Upload, error) {
	key, err := uploadKey(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return p.set.Uploads.Append(ctx, key, req.GetOffset(), req.GetData())
}

// FinishUpload implements PictureService. The picture is stored before the upload
// is dropped: a finish that was broken off can be repeated.
func (p *Pictures) FinishUpload(ctx context.Context, req *gatewayv1.FinishUploadRequest) (*gatewayv1.StoredPicture, error) {
	key, err := uploadKey(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	data, err := p.set.Uploads.Bytes(ctx, key)
	if err != nil {
		return nil, err
	}
	stored, err := p.store(ctx, key.Tenant, "name", data)
	if err != nil {
		return nil, err
	}
	if err := p.set.Uploads.Drop(ctx, key); err != nil {
		return nil, err
	}
	return stored, nil
}

// DeleteUpload implements PictureService.
func (p *Pictures) DeleteUpload(ctx context.Context, req *gatewayv1.DeleteUploadRequest) (*gatewayv1.DeleteUploadResponse, error) {
	key, err := uploadKey(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	if err := p.set.Uploads.Drop(ctx, key); err != nil {
		return nil, err
	}
	return new(gatewayv1.DeleteUploadResponse), nil
}

// uploadKey returns the record that a resource name of the caller's means.
func uploadKey(ctx context.Context, name string) (jobqueue.RecordKey, error) {
	call, err := caller(ctx)
	if err != nil {
		return jobqueue.RecordKey{}, err
	}
	id, ok := upload.ParseName(name)
	if !ok {
		return jobqueue.RecordKey{}, BadName(name, "uploads/{upload}")
	}
	return jobqueue.RecordKey{Tenant: call.Tenant, ID: id}, nil
}
