package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/facestudio/facestudio/proto/client"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
)

func Example() {
	mesh, err := client.Dial("127.0.0.1:7433", client.Options{Insecure: true})
	if err != nil {
		log.Fatal(err)
	}
	defer mesh.Close()
	face, err := os.ReadFile("me.jpg")
	if err != nil {
		log.Fatal(err)
	}
	result, err := mesh.Generate(context.Background(), &gatewayv1.CreateGenerationRequest{
		Generation: &gatewayv1.Generation{
			Subjects: []*gatewayv1.GenerationSubject{{Photos: []*mediav1.Picture{client.Inline(face)}}},
			Prompt:   "a photo of a smiling woman with black hair",
		},
	}, func(p *gatewayv1.ProgressEvent) {
		fmt.Println(p.GetProgress().GetStage(), p.GetProgress().GetStep())
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("out.png", result.Pictures[0].Data, 0o600); err != nil {
		log.Fatal(err)
	}
}

func ExampleClient_Enrol() {
	mesh, err := client.Dial("studio.example.com:443", client.Options{Token: os.Getenv("FACESTUDIO_TOKEN")})
	if err != nil {
		log.Fatal(err)
	}
	defer mesh.Close()
	ctx := context.Background()
	var photos []*mediav1.Picture
	for _, file := range os.Args[1:] {
		data, err := os.ReadFile(file)
		if err != nil {
			log.Fatal(err)
		}
		photos = append(photos, client.Inline(data))
	}
	ada, err := mesh.Enrol(ctx, &gatewayv1.CreateSubjectRequest{
		Subject: &gatewayv1.Subject{DisplayName: "Ada", Photos: photos, Consent: "form 7"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for subject, err := range mesh.AllSubjects(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(subject.GetName(), subject.GetDisplayName(), subject.GetName() == ada.GetName())
	}
}

func ExampleError() {
	var mesh client.Client
	_, err := mesh.Generate(context.Background(), new(gatewayv1.CreateGenerationRequest), nil)
	var failed *client.Error
	if !errors.As(err, &failed) {
		return
	}
	switch failed.Reason {
	case faultv1.Reason_REASON_NO_FACE_FOUND:
		fmt.Printf("choose another photo than %s\n", failed.Field)
	case faultv1.Reason_REASON_QUOTA_EXHAUSTED:
		fmt.Printf("too much at once, again in %v\n", failed.RetryAfter)
	default:
		fmt.Println(failed)
	}
}
