package e2e_test

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	denoiserv1 "github.com/facestudio/facestudio/proto/gen/facestudio/denoiser/v1"
	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
	"github.com/facestudio/facestudio/services/tensor"
)

const (
	noGeneration = faultv1.Reason_REASON_UNKNOWN_GENERATION
	noSubject    = faultv1.Reason_REASON_UNKNOWN_SUBJECT
	noPicture    = faultv1.Reason_REASON_BLOB_MISSING
)

// intrusion calls a method as one tenant with what is another's, and says what is
// wrong with the answer. Its own pictures are other ones: who has the same bytes
// has the same digest.
type intrusion func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error

// namesNothing is of methods whose requests have all that they need, and name
// nothing that is stored. What the queue records of their results belongs to the
// tenant, which its own tests show.
func namesNothing(context.Context, *grpc.ClientConn, *owned) error { return nil }

// intrusions has a case for every method of every public and every stage's
// service.
var intrusions = map[string]intrusion{
	"facestudio.gateway.v1.GenerationService.CreateGeneration": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		client := gatewayv1.NewGenerationServiceClient(bob)
		create := func(id string, change func(*gatewayv1.Generation)) (*gatewayv1.Generation, error) {
			g := &gatewayv1.Generation{
				Subjects: []*gatewayv1.GenerationSubject{{Photos: []*mediav1.Picture{inline(mustExample("erik"))}}},
				Style:    inline(mustExample("erik")), Steps: new(int32(1)),
			}
			change(g)
			return client.CreateGeneration(ctx, &gatewayv1.CreateGenerationRequest{Generation: g, RequestId: id})
		}
		_, style := create("", func(g *gatewayv1.Generation) { g.Style = hers.picture })
		_, photo := create("", func(g *gatewayv1.Generation) { g.Subjects[0].Photos[0] = hers.picture })
		_, enrolled := create("", func(g *gatewayv1.Generation) {
			g.Subjects[0] = &gatewayv1.GenerationSubject{Subject: hers.subject.GetName()}
		})
		_, mixed := create("", func(g *gatewayv1.Generation) {
			g.Subjects[0] = &gatewayv1.GenerationSubject{Mix: []*gatewayv1.MixPart{
				{Subject: hers.subject.GetName(), Weight: 1}, {Photos: g.GetSubjects()[0].GetPhotos(), Weight: 1},
			}}
		})
		own, err := create(hers.requests[0], func(*gatewayv1.Generation) {})
		if err == nil && own.GetName() == hers.generation.GetName() {
			err = errors.New("the request id of another tenant's request answers with its generation")
		}
		return errors.Join(wants(style, noPicture), wants(photo, noPicture), wants(enrolled, noSubject), wants(mixed, noSubject), err)
	},
	"facestudio.gateway.v1.GenerationService.GetGeneration": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := gatewayv1.NewGenerationServiceClient(bob).GetGeneration(ctx, &gatewayv1.GetGenerationRequest{Name: hers.generation.GetName()})
		return wants(err, noGeneration)
	},
	"facestudio.gateway.v1.GenerationService.ListGenerations": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		client := gatewayv1.NewGenerationServiceClient(bob)
		_, next := client.ListGenerations(ctx, &gatewayv1.ListGenerationsRequest{PageToken: hers.tokens[0]})
		got, err := client.ListGenerations(ctx, &gatewayv1.ListGenerationsRequest{})
		// Only what CreateGeneration made above.
		for _, g := range got.GetGenerations() {
			if g.GetName() == hers.generation.GetName() || g.GetSeed() == hers.generation.GetSeed() {
				err = fmt.Errorf("%s is listed", g.GetName())
			}
		}
		return errors.Join(err, wants(next, noToken))
	},
	"facestudio.gateway.v1.GenerationService.WatchGeneration": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		for _, after := range []uint64{0, 1} {
			stream, err := gatewayv1.NewGenerationServiceClient(bob).WatchGeneration(ctx, &gatewayv1.WatchGenerationRequest{
				Name: hers.generation.GetName(), After: after,
			})
			if err == nil {
				_, err = stream.Recv()
			}
			if err := wants(err, noGeneration); err != nil {
				return err
			}
		}
		return nil
	},
	"facestudio.gateway.v1.GenerationService.CancelGeneration": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := gatewayv1.NewGenerationServiceClient(bob).CancelGeneration(ctx, &gatewayv1.CancelGenerationRequest{Name: hers.generation.GetName()})
		return wants(err, noGeneration)
	},
	"facestudio.gateway.v1.GenerationService.GetPicture": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := gatewayv1.NewGenerationServiceClient(bob).GetPicture(ctx, &gatewayv1.GetPictureRequest{Name: hers.generation.GetPictures()[0].GetName()})
		return wants(err, noGeneration)
	},

	"facestudio.gateway.v1.SubjectService.CreateSubject": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		client := gatewayv1.NewSubjectServiceClient(bob)
		stolen := &gatewayv1.Subject{Photos: []*mediav1.Picture{hers.picture}}
		_, photo := client.CreateSubject(ctx, &gatewayv1.CreateSubjectRequest{Subject: stolen})
		_, look := client.CreateSubject(ctx, &gatewayv1.CreateSubjectRequest{Subject: stolen, ValidateOnly: true})
		request := enrolling(mustExample("erik"))
		request.RequestId = hers.requests[1]
		own, err := client.CreateSubject(ctx, request)
		if err == nil {
			if own.GetName() == hers.subject.GetName() {
				err = errors.New("the request id of another tenant's request answers with its subject")
			} else {
				_, err = client.DeleteSubject(ctx, &gatewayv1.DeleteSubjectRequest{Name: own.GetName()})
			}
		}
		return errors.Join(wants(photo, noPicture), wants(look, noPicture), err)
	},
	"facestudio.gateway.v1.SubjectService.GetSubject": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := gatewayv1.NewSubjectServiceClient(bob).GetSubject(ctx, &gatewayv1.GetSubjectRequest{Name: hers.subject.GetName()})
		return wants(err, noSubject)
	},
	"facestudio.gateway.v1.SubjectService.ListSubjects": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		client := gatewayv1.NewSubjectServiceClient(bob)
		_, next := client.ListSubjects(ctx, &gatewayv1.ListSubjectsRequest{PageToken: hers.tokens[1]})
		got, err := client.ListSubjects(ctx, &gatewayv1.ListSubjectsRequest{})
		if len(got.GetSubjects()) > 0 {
			err = fmt.Errorf("%d subjects are listed", len(got.GetSubjects()))
		}
		return errors.Join(err, wants(next, noToken))
	},
	"facestudio.gateway.v1.SubjectService.DeleteSubject": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := gatewayv1.NewSubjectServiceClient(bob).DeleteSubject(ctx, &gatewayv1.DeleteSubjectRequest{Name: hers.subject.GetName()})
		return wants(err, noSubject)
	},
	// There is one bundle for all.
	"facestudio.gateway.v1.BundleService.GetBundle": namesNothing,

	"facestudio.encoder.v1.EncoderService.EmbedImages": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := encoderv1.NewEncoderServiceClient(bob).EmbedImages(ctx, &encoderv1.EmbedImagesRequest{Images: []*encoderv1.ImageToEmbed{{Picture: hers.picture}}})
		return wants(err, noPicture)
	},
	"facestudio.encoder.v1.EncoderService.EmbedTexts": namesNothing,
	"facestudio.encoder.v1.EncoderService.DetectFaces": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		return wants(detect(ctx, bob, hers), noPicture)
	},
	"facestudio.encoder.v1.EncoderService.EmbedFaces": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := encoderv1.NewEncoderServiceClient(bob).EmbedFaces(ctx, &encoderv1.EmbedFacesRequest{Photos: []*mediav1.Picture{hers.picture}})
		return wants(err, noPicture)
	},
	"facestudio.encoder.v1.EncoderService.EmbedAllFaces": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := encoderv1.NewEncoderServiceClient(bob).EmbedAllFaces(ctx, &encoderv1.EmbedAllFacesRequest{Picture: hers.picture})
		return wants(err, noPicture)
	},
	"facestudio.prior.v1.PriorService.EmbedImage": namesNothing,
	"facestudio.segmenter.v1.SegmenterService.SegmentPeople": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := segmenterv1.NewSegmenterServiceClient(bob).SegmentPeople(ctx, &segmenterv1.SegmentPeopleRequest{
			Picture: hers.picture, Faces: []*mediav1.Box{{X: 1, Y: 1, Width: 9, Height: 9}}, Width: 32, Height: 32,
		})
		return wants(err, noPicture)
	},
	"facestudio.denoiser.v1.DenoiserService.Denoise": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		denoise := func(change func(*denoiserv1.DenoiseRequest)) error {
			embedding := tensor.New(faceWidth)
			embedding.Data[0] = 1
			req := &denoiserv1.DenoiseRequest{
				Steps: 1, Alpha: 1, Identities: []*denoiserv1.Identity{{FaceEmbedding: tensor.ToProto(embedding)}},
				ImageEmbedding: tensor.ToProto(tensor.New(imageWidth)),
			}
			change(req)
			stream, err := denoiserv1.NewDenoiserServiceClient(bob).Denoise(ctx, req)
			if err == nil {
				_, err = stream.Recv()
			}
			return wants(err, noPicture)
		}
		return errors.Join(
			denoise(func(r *denoiserv1.DenoiseRequest) {
				r.Style, r.Strength, r.Steps = hers.picture, new(float32(1)), 2
			}),
			denoise(func(r *denoiserv1.DenoiseRequest) { r.Identities[0].Mask = hers.picture }),
		)
	},
}

// Widths of the tiny bundle's embeddings.
const (
	faceWidth  = 32
	imageWidth = 48
)

// detect looks at the stored photo.
func detect(ctx context.Context, conn *grpc.ClientConn, hers *owned) error {
	_, err := encoderv1.NewEncoderServiceClient(conn).DetectFaces(ctx, &encoderv1.DetectFacesRequest{Picture: hers.picture})
	return err
}
