package e2e_test

import (
	"bytes"
	"sync"
	"syscall"
	"testing"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// long is a request that every service works on, long enough to be disturbed.
func long(g *gatewayv1.Generation) {
	g.Steps = new(int32(100))
	g.PictureCount = new(int32(2))
	prompted(g)
	kept(g)
}

// during names the stage of a generation in which a program works.
var during = map[string]string{
	"encoder-svc": "encode", "prior-svc": "prior", "segmenter-svc": "segment", "denoiser-svc": "denoise", "gateway": "denoise",
}

// undisturbed are the pictures of long when nothing happens.
func undisturbed(t *testing.T) [][]byte {
	t.Helper()
	conn, stop := inOneProcess(t, scratch.Dir(t))
	defer stop()
	return pictures(t, gatewayv1.NewGenerationServiceClient(conn), request(t, long))
}

// disturb makes the long generation and calls harm once, while the stage works,
// or as soon as it is created when no stage is named. A stage that had done its
// work before it was seen at it gets another one to make.
func disturb(t *testing.T, mesh *separate, stage string, harm func()) [][]byte {
	t.Helper()
	client := mesh.client()
	var once sync.Once
	for range 10 {
		created, err := client.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: request(t, long)})
		if err != nil {
			t.Fatal(err)
		}
		harmed := stage == ""
		if harmed {
			once.Do(harm)
		}
		g := await(t, client, created.GetName(), func(p *gatewayv1.Progress) {
			if p.GetStage() == stage && (stage != "denoise" || p.GetStep() > 0) {
				once.Do(func() { harmed = true; harm() })
			}
		})
		if harmed {
			return fetch(t, client, g)
		}
	}
	t.Fatalf("stage %s was never seen at work", stage)
	return nil
}

func same(t *testing.T, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d pictures, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("picture %d differs", i)
		}
	}
}

func TestAKilledServiceChangesNothing(t *testing.T) {
	want := undisturbed(t)
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			mesh := inSeparateProcesses(t)
			if name != "gateway" && name != "denoiser-svc" {
				// Their work is too short to be met by chance: frozen, they take
				// it and keep it until they are killed.
				mesh.parts[name].signal(syscall.SIGSTOP)
			}
			same(t, disturb(t, mesh, during[name], func() {
				mesh.parts[name].kill()
				mesh.start(name)
			}), want)
		})
	}
}

func TestAKilledQueueChangesNothing(t *testing.T) {
	want := undisturbed(t)
	mesh := inSeparateProcesses(t)
	same(t, disturb(t, mesh, "denoise", func() { mesh.restartNATS() }), want)
}

func TestSIGTERMFinishesOrHandsBack(t *testing.T) {
	want := undisturbed(t)
	mesh := inSeparateProcesses(t)
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			stage := "denoise"
			if name != "gateway" && name != "denoiser-svc" {
				// Equal calls of earlier rows have left their results: these
				// stages have nothing to be met at.
				stage = ""
			}
			same(t, disturb(t, mesh, stage, func() {
				if code := mesh.parts[name].stop(t); code != 0 {
					t.Errorf("%s ended with %d", name, code)
				}
				mesh.start(name)
			}), want)
		})
	}
}
