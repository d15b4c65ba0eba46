package flow

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/facestudio/facestudio/gateway/internal/identity"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/tensor"
)

// person is a subject as the denoiser takes it.
type person struct {
	// name is for messages.
	name string
	// embedding is e_f, unit length.
	embedding []float32
	// parts are e_f of the people of a mix; nil for one person.
	parts [][]float32
}

// embedSubjects computes e_f of every subject, side by side. The verdicts are
// in the order of the subjects' photos.
func (r *run) embedSubjects(ctx context.Context) ([]person, []*gatewayv1.PhotoVerdict, error) {
	subjects := r.want.GetSubjects()
	people := make([]person, len(subjects))
	verdicts := make([][]*gatewayv1.PhotoVerdict, len(subjects))
	together, ctx := errgroup.WithContext(ctx)
	for i, subject := range subjects {
		together.Go(func() (err error) {
			people[i].name = subject.GetName()
			if people[i].name == "" {
				people[i].name = subjectField(i)
			}
			verdicts[i], err = r.embedSubject(ctx, i, subject, &people[i])
			return err
		})
	}
	err := together.Wait()
	var all []*gatewayv1.PhotoVerdict
	for _, v := range verdicts {
		all = append(all, v...)
	}
	return people, all, err
}

// embedSubject sets the embeddings of subject i.
func (r *run) embedSubject(ctx context.Context, i int, subject *gatewayv1.GenerationSubject, who *person) (verdicts []*gatewayv1.PhotoVerdict, err error) {
	at := subjectField(i)
	if len(subject.GetMix()) == 0 {
		who.embedding, verdicts, err = r.embedPerson(ctx, at, subject.GetPhotos(), subject.GetSubject())
		return verdicts, err
	}
	who.parts = make([][]float32, len(subject.GetMix()))
	weights := make([]float32, len(who.parts))
	for k, part := range subject.GetMix() {
		embedding, more, err := r.embedPerson(ctx, mixField(i, k), part.GetPhotos(), part.GetSubject())
		verdicts = append(verdicts, more...)
		if err != nil {
			return verdicts, err
		}
		who.parts[k], weights[k] = embedding, part.GetWeight()
	}
	if who.embedding, err = identity.Mix(who.parts, weights); err != nil {
		return verdicts, fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, at+".mix",
			"the faces cancel each other out: give other weights")
	}
	return verdicts, nil
}

// embedPerson computes e_f of one real person, enrolled or by photos. at is the
// field of the generation that holds it.
func (r *run) embedPerson(ctx context.Context, at string, photos []*mediav1.Picture, enrolled string) ([]float32, []*gatewayv1.PhotoVerdict, error) {
	if enrolled != "" {
		embedding, err := r.enrolled(ctx, at+".subject", enrolled)
		return embedding, nil, err
	}
	return r.embedPhotos(ctx, at+".photos", photos)
}

// embedPhotos computes e_f of the photos of one person: the mean over those
// that are usable and agree with the others, renormalised. It fails when no
// photo is usable; a bad photo among good ones only gets its verdict.
func (r *run) embedPhotos(ctx context.Context, at string, photos []*mediav1.Picture) ([]float32, []*gatewayv1.PhotoVerdict, error) {
	response, err := r.stages.Encoder.EmbedFaces(r.about(ctx, stageEncode, at), &encoderv1.EmbedFacesRequest{
		Bundle: r.want.GetBundle(),
		Photos: photos,
	})
	if err != nil {
		return nil, nil, blamePhotos(err, at)
	}
	if len(response.GetFaces()) != len(photos) {
		return nil, nil, fmt.Errorf("encoder answered %d faces for %d photos", len(response.GetFaces()), len(photos))
	}
	verdicts := make([]*gatewayv1.PhotoVerdict, len(photos))
	var rows [][]float32
	var of []*gatewayv1.PhotoVerdict
	for i, face := range response.GetFaces() {
		field := fmt.Sprintf("%s[%d]", at, i)
		verdicts[i] = &gatewayv1.PhotoVerdict{Photo: field, Figures: figuresOf(face)}
		if face.GetFault() != nil {
			verdicts[i].Fault = faultAt(field, face.GetFault())
			continue
		}
		embedding, err := tensor.FromProto(face.GetEmbedding())
		if err != nil {
			return nil, nil, fmt.Errorf("read face embedding %d: %w", i, err)
		}
		rows, of = append(rows, embedding.Data), append(of, verdicts[i])
		verdicts[i].Used = true
	}
	if len(rows) == 0 {
		return nil, verdicts, noUsablePhoto(verdicts)
	}
	mean, err := identity.Mean(agreeing(rows, of, identity.LevelsOf(r.set.Similarity)))
	if err != nil {
		return nil, verdicts, fault.Wrap(err, fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, at,
			"the photos contradict each other: give photos of one person")
	}
	return mean, verdicts, nil
}

// agreeing leaves out the embeddings that are not of the person that most are
// of, and tells each one's verdict how it fits the others.
func agreeing(rows [][]float32, verdicts []*gatewayv1.PhotoVerdict, levels identity.Levels) [][]float32 {
	if len(rows) < 2 {
		return rows
	}
	agreement, out := identity.Agreement(rows), identity.Outliers(rows, levels.Same)
	var left [][]float32
	for i, v := range verdicts {
		if v.Figures == nil {
			v.Figures = new(gatewayv1.PhotoFigures)
		}
		v.Figures.Similarity = new(float32(agreement[i]))
		if !out[i] {
			left = append(left, rows[i])
			continue
		}
		v.Used = false
		v.Fault = fault.ToProto(fault.New(fault.Invalid, faultv1.Reason_REASON_NOT_SAME_PERSON, v.GetPhoto(),
			"the face is unlike those of the other photos (similarity %.2f): leave the photo out, or make that person a subject of its own", agreement[i]))
	}
	return left
}

// figuresOf are the encoder's figures as the generation tells them.
func figuresOf(face *encoderv1.EmbeddedFace) *gatewayv1.PhotoFigures {
	f := face.GetFigures()
	if f == nil {
		return nil
	}
	return &gatewayv1.PhotoFigures{FacePixels: &f.FacePixels, Sharpness: &f.Sharpness, Brightness: &f.Brightness, Yaw: f.Yaw}
}

// noUsablePhoto blames the first photo; with several it says that the others
// are no better.
func noUsablePhoto(verdicts []*gatewayv1.PhotoVerdict) error {
	f := fault.FromProto(verdicts[0].GetFault())
	if len(verdicts) > 1 {
		f.Message = fmt.Sprintf("none of the %d photos can be used; the first: %s", len(verdicts), f.Message)
	}
	return f
}
