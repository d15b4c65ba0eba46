package e2e_test

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

const (
	noToken  = faultv1.Reason_REASON_INVALID_FIELD
	noName   = faultv1.Reason_REASON_UNKNOWN_PICTURE
	noUpload = faultv1.Reason_REASON_UNKNOWN_UPLOAD
	noStyle  = faultv1.Reason_REASON_UNKNOWN_STYLE
)

func called(name string) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Name{Name: name}}
}

// fillAssets makes the pictures of a tenant that have a name.
func (s *shared) fillAssets(conn *grpc.ClientConn, o *owned) {
	s.t.Helper()
	pictures, styles := gatewayv1.NewPictureServiceClient(conn), gatewayv1.NewStyleServiceClient(conn)
	data := example(s.t, "mei")
	var err error
	if o.uploaded, err = pictures.CreatePicture(s.t.Context(), &gatewayv1.CreatePictureRequest{Data: data}); err != nil {
		s.t.Fatal(err)
	}
	o.upload, err = pictures.CreateUpload(s.t.Context(), &gatewayv1.CreateUploadRequest{
		Upload: &gatewayv1.Upload{Sha256: o.uploaded.GetBlob().GetSha256(), Size: int64(len(data))},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	o.style, err = styles.CreateStyle(s.t.Context(), &gatewayv1.CreateStyleRequest{Style: &gatewayv1.Style{Picture: called(o.uploaded.GetName())}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// stillHerAssets looks whether the owner can still use them.
func (s *shared) stillHerAssets(conn *grpc.ClientConn, o *owned) {
	s.t.Helper()
	_, picture := gatewayv1.NewPictureServiceClient(conn).GetPicture(s.t.Context(), &gatewayv1.GetPictureRequest{Name: o.uploaded.GetName()})
	upload, err := gatewayv1.NewPictureServiceClient(conn).GetUpload(s.t.Context(), &gatewayv1.GetUploadRequest{Name: o.upload.GetName()})
	if err == nil && upload.GetOffset() != 0 {
		err = fmt.Errorf("the upload stands at %d", upload.GetOffset())
	}
	_, style := gatewayv1.NewStyleServiceClient(conn).GetStyle(s.t.Context(), &gatewayv1.GetStyleRequest{Name: o.style.GetName()})
	if err := errors.Join(picture, err, style); err != nil {
		s.t.Errorf("named pictures: %v", err)
	}
}

func pictureCall(do func(context.Context, gatewayv1.PictureServiceClient, *owned) error, want faultv1.Reason) intrusion {
	return func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		return wants(do(ctx, gatewayv1.NewPictureServiceClient(bob), hers), want)
	}
}

// assetIntrusions are the intrusions into named pictures, and with their names.
var assetIntrusions = map[string]intrusion{
	"facestudio.gateway.v1.GenerationService.DeleteGeneration": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := gatewayv1.NewGenerationServiceClient(bob).DeleteGeneration(ctx, &gatewayv1.DeleteGenerationRequest{Name: hers.generation.GetName()})
		return wants(err, noGeneration)
	},
	"facestudio.gateway.v1.SubjectService.UpdateSubject": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := gatewayv1.NewSubjectServiceClient(bob).UpdateSubject(ctx, &gatewayv1.UpdateSubjectRequest{
			Subject: &gatewayv1.Subject{Name: hers.subject.GetName(), DisplayName: "Bob's", Etag: hers.subject.GetEtag()},
		})
		return wants(err, noSubject)
	},
	"facestudio.gateway.v1.BundleService.ListBundles": namesNothing,

	// What is stored is the caller's own.
	"facestudio.gateway.v1.PictureService.CreatePicture": namesNothing,
	"facestudio.gateway.v1.PictureService.UploadPicture": namesNothing,
	"facestudio.gateway.v1.PictureService.CreateUpload":  namesNothing,
	"facestudio.gateway.v1.PictureService.GetPicture": pictureCall(func(ctx context.Context, c gatewayv1.PictureServiceClient, hers *owned) error {
		_, err := c.GetPicture(ctx, &gatewayv1.GetPictureRequest{Name: hers.uploaded.GetName()})
		return err
	}, noName),
	"facestudio.gateway.v1.PictureService.DeletePicture": pictureCall(func(ctx context.Context, c gatewayv1.PictureServiceClient, hers *owned) error {
		_, err := c.DeletePicture(ctx, &gatewayv1.DeletePictureRequest{Name: hers.uploaded.GetName()})
		return err
	}, noName),
	"facestudio.gateway.v1.PictureService.DetectPeople": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		client := gatewayv1.NewPictureServiceClient(bob)
		of := func(picture *mediav1.Picture) error {
			_, err := client.DetectPeople(ctx, &gatewayv1.DetectPeopleRequest{Picture: picture})
			return err
		}
		return errors.Join(wants(of(called(hers.uploaded.GetName())), noName), wants(of(called(hers.style.GetName())), noStyle), wants(of(hers.picture), noPicture))
	},
	"facestudio.gateway.v1.PictureService.GetUpload": pictureCall(func(ctx context.Context, c gatewayv1.PictureServiceClient, hers *owned) error {
		_, err := c.GetUpload(ctx, &gatewayv1.GetUploadRequest{Name: hers.upload.GetName()})
		return err
	}, noUpload),
	"facestudio.gateway.v1.PictureService.AppendUpload": pictureCall(func(ctx context.Context, c gatewayv1.PictureServiceClient, hers *owned) error {
		_, err := c.AppendUpload(ctx, &gatewayv1.AppendUploadRequest{Name: hers.upload.GetName(), Data: make([]byte, 16)})
		return err
	}, noUpload),
	"facestudio.gateway.v1.PictureService.FinishUpload": pictureCall(func(ctx context.Context, c gatewayv1.PictureServiceClient, hers *owned) error {
		_, err := c.FinishUpload(ctx, &gatewayv1.FinishUploadRequest{Name: hers.upload.GetName()})
		return err
	}, noUpload),
	"facestudio.gateway.v1.PictureService.DeleteUpload": pictureCall(func(ctx context.Context, c gatewayv1.PictureServiceClient, hers *owned) error {
		_, err := c.DeleteUpload(ctx, &gatewayv1.DeleteUploadRequest{Name: hers.upload.GetName()})
		return err
	}, noUpload),

	"facestudio.gateway.v1.StyleService.CreateStyle": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		client := gatewayv1.NewStyleServiceClient(bob)
		_, named := client.CreateStyle(ctx, &gatewayv1.CreateStyleRequest{Style: &gatewayv1.Style{Picture: called(hers.uploaded.GetName())}})
		_, stored := client.CreateStyle(ctx, &gatewayv1.CreateStyleRequest{Style: &gatewayv1.Style{Picture: hers.picture}})
		generations := gatewayv1.NewGenerationServiceClient(bob)
		create := func(style string) error {
			_, err := generations.CreateGeneration(ctx, &gatewayv1.CreateGenerationRequest{Generation: &gatewayv1.Generation{
				Subjects: []*gatewayv1.GenerationSubject{{Photos: []*mediav1.Picture{inline(mustExample("erik"))}}}, Style: called(style),
			}})
			return err
		}
		return errors.Join(wants(named, noName), wants(stored, noPicture), wants(create(hers.uploaded.GetName()), noName), wants(create(hers.style.GetName()), noStyle))
	},
	"facestudio.gateway.v1.StyleService.GetStyle": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := gatewayv1.NewStyleServiceClient(bob).GetStyle(ctx, &gatewayv1.GetStyleRequest{Name: hers.style.GetName()})
		return wants(err, noStyle)
	},
	"facestudio.gateway.v1.StyleService.ListStyles": func(ctx context.Context, bob *grpc.ClientConn, _ *owned) error {
		got, err := gatewayv1.NewStyleServiceClient(bob).ListStyles(ctx, new(gatewayv1.ListStylesRequest))
		if len(got.GetStyles()) > 0 {
			err = fmt.Errorf("%d styles are listed", len(got.GetStyles()))
		}
		return err
	},
	"facestudio.gateway.v1.StyleService.DeleteStyle": func(ctx context.Context, bob *grpc.ClientConn, hers *owned) error {
		_, err := gatewayv1.NewStyleServiceClient(bob).DeleteStyle(ctx, &gatewayv1.DeleteStyleRequest{Name: hers.style.GetName()})
		return wants(err, noStyle)
	},
}
