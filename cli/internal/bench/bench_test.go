package bench_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/facestudio/facestudio/cli/internal/bench"
	"github.com/facestudio/facestudio/cli/mesh"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/rpc"
	"github.com/facestudio/facestudio/services/testkit"
	"github.com/facestudio/facestudio/services/worker"
)

func TestStatistics(t *testing.T) {
	if got := bench.Median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("the median is %v", got)
	}
	if got := bench.Slope([]float64{1, 3, 5, 7}); got != 2 {
		t.Errorf("the slope is %v", got)
	}
	if got := bench.Slope([]float64{4}); got != 0 {
		t.Errorf("the slope of one value is %v", got)
	}
}

func TestRun(t *testing.T) {
	face, err := os.ReadFile(filepath.Join(testkit.Root(t), "examples", "faces", "amara.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	picture := &mediav1.Picture{Source: &mediav1.Picture_Data{Data: face}}
	var told int
	got, err := bench.Run(t.Context(), bench.Settings{
		Mesh: mesh.Config{
			DataDir: t.TempDir(),
			Shared:  worker.Mesh{Bundle: testkit.TinyBundleDir(t), BundleCache: testkit.ModelCache(t)},
			Models:  worker.Models{Library: testkit.Library(t), Provider: "cpu", Threads: 1, Slots: 1},
			RPC:     rpc.Config{MaxMessage: rpc.DefaultMaxMessage, Grace: time.Second},
		},
		Generation: &gatewayv1.Generation{
			Subjects: []*gatewayv1.GenerationSubject{{Photos: []*mediav1.Picture{picture}}},
			Style:    picture, Steps: new(int32(3)),
		},
		Pictures: 4,
		Each:     func(done int) { told = done },
	})
	if err != nil {
		t.Fatal(err)
	}
	if told != 4 || got.Pictures != 4 || got.ReadySeconds <= 0 || got.MedianSeconds <= 0 || got.ModelSeconds <= 0 ||
		got.Overhead <= 0 || got.RoleSeconds["unet"] <= 0 {
		t.Errorf("got %+v", got)
	}
}
