package e2e_test

import (
	"bytes"
	"image/png"
	"testing"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/testkit"
)

func TestOneProcessMakesPictures(t *testing.T) {
	conn, _ := inOneProcess(t, t.TempDir())
	client := gatewayv1.NewGenerationServiceClient(conn)
	side := testkit.TinyBundle(t).Manifest.Canvas.Default
	seen := map[string]string{}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			got := pictures(t, client, request(t, kind.change...))
			decoded, err := png.Decode(bytes.NewReader(got[0]))
			if err != nil {
				t.Fatal(err)
			}
			if size := decoded.Bounds().Size(); size.X != side || size.Y != side {
				t.Errorf("the picture is %v, want %d a side", size, side)
			}
			if other, ok := seen[string(got[0])]; ok {
				t.Errorf("the picture is the same as by %s", other)
			}
			seen[string(got[0])] = kind.name
			again := pictures(t, client, request(t, kind.change...))
			if !bytes.Equal(got[0], again[0]) {
				t.Error("the same request makes another picture")
			}
			other := pictures(t, client, request(t, append(kind.change, func(g *gatewayv1.Generation) { g.Seed = new(uint64(8)) })...))
			if bytes.Equal(got[0], other[0]) {
				t.Error("another seed makes the same picture")
			}
		})
	}
}

func TestPicturesOfOneGenerationAreThoseOfItsIndex(t *testing.T) {
	conn, _ := inOneProcess(t, t.TempDir())
	client := gatewayv1.NewGenerationServiceClient(conn)
	two := pictures(t, client, request(t, func(g *gatewayv1.Generation) { g.PictureCount = new(int32(2)) }))
	three := pictures(t, client, request(t, func(g *gatewayv1.Generation) { g.PictureCount = new(int32(3)) }))
	if len(two) != 2 || len(three) != 3 {
		t.Fatalf("got %d and %d pictures", len(two), len(three))
	}
	for i := range two {
		if !bytes.Equal(two[i], three[i]) {
			t.Errorf("picture %d depends on how many there are", i)
		}
	}
	if bytes.Equal(two[0], two[1]) {
		t.Error("two pictures are the same")
	}
}

func TestARestartKeepsGenerations(t *testing.T) {
	dir := t.TempDir()
	conn, stop := inOneProcess(t, dir)
	client := gatewayv1.NewGenerationServiceClient(conn)
	created, err := client.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{
		Generation: request(t, func(g *gatewayv1.Generation) { g.Steps = new(int32(100)); g.PictureCount = new(int32(4)) }),
	})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	conn, _ = inOneProcess(t, dir)
	client = gatewayv1.NewGenerationServiceClient(conn)
	got := fetch(t, client, await(t, client, created.GetName(), nil))
	if len(got) != 4 {
		t.Errorf("got %d pictures, want 4", len(got))
	}
}

func TestSeparateProcessesMakeTheSamePictures(t *testing.T) {
	conn, stop := inOneProcess(t, t.TempDir())
	want := map[string][][]byte{}
	for _, kind := range kinds {
		want[kind.name] = pictures(t, gatewayv1.NewGenerationServiceClient(conn), request(t, kind.change...))
	}
	stop()
	meshes := map[string]*separate{
		"queue": inSeparateProcesses(t),
		"grpc":  inSeparateProcesses(t, func(s *separate) { s.plain = true }),
	}
	for transport, mesh := range meshes {
		for _, kind := range kinds {
			t.Run(transport+"/"+kind.name, func(t *testing.T) {
				got := pictures(t, mesh.client(), request(t, kind.change...))
				if !bytes.Equal(got[0], want[kind.name][0]) {
					t.Error("separate processes make another picture than one process")
				}
			})
		}
	}
}
