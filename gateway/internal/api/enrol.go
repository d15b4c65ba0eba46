package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/facestudio/facestudio/gateway/internal/record"
	"github.com/facestudio/facestudio/gateway/internal/subject"
	"github.com/facestudio/facestudio/gateway/internal/tenant"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/tensor"
)

// lookTime bounds how long the photos of a subject may wait to be looked at.
const lookTime = 2 * time.Minute

// lookTries is how often the photos are stored and looked at.
const lookTries = 3

// enrolment is one CreateSubject under way.
type enrolment struct {
	key jobqueue.RecordKey
	// asked is what the caller wants, with its photos by digest.
	asked  *gatewayv1.Subject
	digest []byte
	// uploads has the bytes of each photo.
	uploads [][]byte
	// photos are what is looked at.
	photos []subject.Photo
}

// CreateSubject implements SubjectService.
func (s *Subjects) CreateSubject(ctx context.Context, req *gatewayv1.CreateSubjectRequest) (*gatewayv1.Subject, error) {
	call, may, err := s.set.allow(ctx)
	if err != nil {
		return nil, err
	}
	if may.RequireConsent && !req.GetValidateOnly() && strings.TrimSpace(req.GetSubject().GetConsent()) == "" {
		return nil, noConsent()
	}
	e, err := s.begin(ctx, call.Tenant, req, may)
	if err != nil {
		return nil, err
	}
	if req.GetRequestId() != "" && !req.GetValidateOnly() {
		first, err := s.set.People.Get(ctx, e.key)
		if err == nil {
			return e.replay(first)
		}
		if !fault.Is(err, faultv1.Reason_REASON_UNKNOWN_SUBJECT) {
			return nil, err
		}
	}
	if err := s.set.served(ctx, encoderStage); err != nil {
		return nil, err
	}
	seen, err := s.look(ctx, call, e)
	if err != nil {
		return nil, err
	}
	e.asked.PhotoVerdicts = seen.Verdicts
	for _, v := range seen.Verdicts {
		if v.GetUsed() {
			e.asked.UsedPhotoCount++
		}
	}
	if req.GetValidateOnly() {
		e.asked.Photos = nil
		return e.asked, nil
	}
	if seen.Embedding == nil {
		return nil, unusable(seen.Verdicts)
	}
	return s.keep(ctx, e, seen.Embedding)
}

// begin checks everything that can be known without looking at the photos.
func (s *Subjects) begin(ctx context.Context, tenant string, req *gatewayv1.CreateSubjectRequest, may tenant.Limits) (*enrolment, error) {
	id, err := newID(tenant, req.GetRequestId(), s.set.Settings)
	if err != nil {
		return nil, err
	}
	e := &enrolment{key: jobqueue.RecordKey{Tenant: tenant, ID: id}, asked: subjectInputs(req.GetSubject())}
	if err := checkSubject(e.asked, s.set.Now()); err != nil {
		return nil, err
	}
	if err := s.set.fetch(ctx, may, each(e.asked.GetPhotos(), subject.Field)); err != nil {
		return nil, err
	}
	for i, photo := range e.asked.GetPhotos() {
		data, err := pictureBytes(ctx, s.set.Blobs, tenant, photo)
		if err != nil {
			return nil, at(err, subject.Field(i))
		}
		e.uploads = append(e.uploads, data)
		photo.Source = &mediav1.Picture_Blob{Blob: digest(data)}
		look := subject.Photo{Picture: photo}
		if err := s.set.CheckPicture(tenant, data); err != nil {
			look = subject.Photo{Fault: err}
		}
		e.photos = append(e.photos, look)
	}
	canonical, err := proto.MarshalOptions{Deterministic: true}.Marshal(e.asked)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	sum := sha256.Sum256(canonical)
	e.digest = sum[:]
	return e, nil
}

// look has the photos looked at. When one is gone before the encoder read it,
// since another enrolment of the same photo had just ended, it is stored again.
func (s *Subjects) look(ctx context.Context, call jobqueue.Call, e *enrolment) (*subject.Seen, error) {
	ctx, done := context.WithTimeout(jobqueue.WithCall(ctx, call), lookTime)
	defer done()
	for try := 1; ; try++ {
		seen, err := s.lookOnce(ctx, call, e)
		if try == lookTries || !fault.Is(err, faultv1.Reason_REASON_BLOB_MISSING) {
			return seen, err
		}
	}
}

// lookOnce stores the photos for the encoder, for as long as it looks at them.
func (s *Subjects) lookOnce(ctx context.Context, call jobqueue.Call, e *enrolment) (*subject.Seen, error) {
	var stored []*mediav1.Blob
	defer func() { s.set.Drop(call.Tenant, stored) }()
	for i, photo := range e.photos {
		if photo.Fault != nil {
			continue
		}
		b, err := s.set.Blobs.Put(ctx, call.Tenant, blob.Day, e.uploads[i], http.DetectContentType(e.uploads[i]))
		if err != nil {
			return nil, fmt.Errorf("store photo %d: %w", i, err)
		}
		stored = append(stored, b)
	}
	return s.set.Looker.Look(ctx, e.photos)
}

// keep stores the subject. Photos to keep are stored before the record, so that
// they are there with it, and again after it, since a subject with the same
// photo may have been removed just before.
func (s *Subjects) keep(ctx context.Context, e *enrolment, embedding []float32) (*gatewayv1.Subject, error) {
	out := e.asked
	out.Name = subject.Name(e.key.ID)
	out.CreateTime = timestamppb.New(s.set.Now())
	out.FaceEncoder = s.set.FaceEncoder
	if out.GetTtl() != nil {
		out.ExpireTime = timestamppb.New(out.GetCreateTime().AsTime().Add(out.GetTtl().AsDuration()))
		out.Ttl = nil
	}
	var kept [][]byte
	photos := out.GetPhotos()
	out.Photos = nil
	for i, v := range out.GetPhotoVerdicts() {
		if out.GetKeepPhotos() && v.GetUsed() {
			kept, out.Photos = append(kept, e.uploads[i]), append(out.Photos, photos[i])
		}
	}
	t, err := tensor.From(embedding, int64(len(embedding)))
	if err != nil {
		return nil, fmt.Errorf("face embedding: %w", err)
	}
	if err := s.keepPhotos(ctx, e.key.Tenant, kept); err != nil {
		return nil, err
	}
	err = s.set.People.Create(ctx, e.key, &gatewayv1.SubjectRecord{Subject: out, Embedding: tensor.ToProto(t), RequestDigest: e.digest})
	if errors.Is(err, subject.ErrExists) {
		first, err := s.set.People.Get(ctx, e.key)
		if err != nil {
			return nil, err
		}
		return e.replay(first)
	}
	if err != nil {
		var blobs []*mediav1.Blob
		for _, photo := range out.GetPhotos() {
			blobs = append(blobs, photo.GetBlob())
		}
		// The record may be there although the answer was lost: what it keeps
		// then is stored again by the repeated request, or goes with it.
		_, _, dropErr := s.set.Remover.Drop(context.WithoutCancel(ctx), e.key, blobs)
		return nil, errors.Join(err, dropErr)
	}
	if err := s.keepPhotos(ctx, e.key.Tenant, kept); err != nil {
		return nil, err
	}
	// With its etag.
	stored, err := s.set.People.Get(ctx, e.key)
	return stored.GetSubject(), err
}

func (s *Subjects) keepPhotos(ctx context.Context, tenant string, photos [][]byte) error {
	for i, data := range photos {
		if _, err := s.set.Blobs.Put(ctx, tenant, blob.Kept, data, http.DetectContentType(data)); err != nil {
			return fmt.Errorf("keep photo %d: %w", i, err)
		}
	}
	return nil
}

// replay answers a repeated request with the first one's subject, unless the
// two ask for different things.
func (e *enrolment) replay(first *gatewayv1.SubjectRecord) (*gatewayv1.Subject, error) {
	if !slices.Equal(first.GetRequestDigest(), e.digest) {
		return nil, fault.New(fault.Conflict, faultv1.Reason_REASON_REQUEST_ID_REUSED, "request_id",
			"the request id was used before with another request; draw a new one for a new request")
	}
	return first.GetSubject(), nil
}

// subjectInputs returns a copy of the part of a subject that the caller decides.
func subjectInputs(in *gatewayv1.Subject) *gatewayv1.Subject {
	c := new(gatewayv1.Subject)
	if in != nil {
		c = proto.CloneOf(in)
	}
	c.Name = ""
	c.ProtoReflect().SetUnknown(nil)
	c.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if field.Number() >= firstOutput {
			c.ProtoReflect().Clear(field)
		}
		return true
	})
	return c
}

// unusable is the fault of a subject none of whose photos can be used, with
// each photo's own.
func unusable(verdicts []*gatewayv1.PhotoVerdict) error {
	f := fault.FromProto(verdicts[0].GetFault())
	f.Kind = fault.Invalid
	if len(verdicts) == 1 {
		return f
	}
	f.Message = fmt.Sprintf("none of the %d photos can be used; the first: %s", len(verdicts), f.Message)
	for _, v := range verdicts[1:] {
		f.Others = append(f.Others, v.GetFault())
	}
	return f
}

// newID draws an id, or derives it from the request's.
func newID(tenant, requestID string, s Settings) (string, error) {
	switch {
	case requestID == "":
		return record.NewID(s.Now(), s.Random)
	case requestIDPattern.MatchString(requestID):
		return record.RequestID(tenant, requestID), nil
	default:
		return "", fault.InvalidField("request_id", "it is no UUID: draw one, or leave it out")
	}
}

func noConsent() error {
	return fault.New(fault.Invalid, faultv1.Reason_REASON_CONSENT_MISSING, "consent",
		"nobody is enrolled here without consent: give a reference to the person's consent, for example a document number")
}
