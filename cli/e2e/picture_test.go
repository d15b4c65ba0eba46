package e2e_test

import (
	"bytes"
	"image"
	"testing"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/provenance"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

func TestOneProcessMakesPictures(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
	client := gatewayv1.NewGenerationServiceClient(conn)
	side := testkit.TinyBundle(t).Manifest.Canvas.Default
	seen := map[string]string{}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			asked := request(t, kind.change...)
			got := pictures(t, client, asked)
			made := opened(t, got[0])
			want := image.Pt(side, side)
			if asked.Width != nil {
				want = image.Pt(int(asked.GetWidth()), int(asked.GetHeight()))
			}
			if size := image.Pt(made.W, made.H); size != want {
				t.Errorf("the picture is %v, want %v", size, want)
			}
			if other, ok := seen[string(made.Pix)]; ok {
				t.Errorf("the picture is the same as by %s", other)
			}
			seen[string(made.Pix)] = kind.name
			if _, err := provenance.Read(got[0]); err != nil {
				t.Error(err)
			}
			again := pictures(t, client, request(t, kind.change...))
			if !bytes.Equal(got[0], again[0]) {
				t.Error("the same request makes another picture")
			}
			other := pictures(t, client, request(t, append(kind.change, seeded(8))...))
			if bytes.Equal(made.Pix, opened(t, other[0]).Pix) {
				t.Error("another seed makes the same picture")
			}
		})
	}
}

func opened(t *testing.T, data []byte) *imaging.RGB {
	t.Helper()
	p, err := imaging.Decode(data, imaging.Limits{MinSide: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPicturesOfOneGenerationAreThoseOfItsIndex(t *testing.T) {
	conn, _ := inOneProcess(t, scratch.Dir(t))
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
	if bytes.Equal(opened(t, two[0]).Pix, opened(t, two[1]).Pix) {
		t.Error("two pictures are the same")
	}
	alone := pictures(t, client, request(t, func(g *gatewayv1.Generation) { g.FirstIndex = 2 }))
	if len(alone) != 1 || !bytes.Equal(alone[0], three[2]) {
		t.Error("picture 2 is another when it is made alone")
	}
}

func TestARestartKeepsGenerations(t *testing.T) {
	dir := scratch.Dir(t)
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
	conn, stop := inOneProcess(t, scratch.Dir(t))
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
				same(t, pictures(t, mesh.client(), request(t, kind.change...)), want[kind.name])
			})
		}
	}
}
