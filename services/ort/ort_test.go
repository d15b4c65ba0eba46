package ort_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/facestudio/facestudio/services/onnx"
	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/tensor"
	"github.com/facestudio/facestudio/services/testkit"
)

var (
	double = ort.Contract{
		Role: "double",
		Inputs: []onnx.Value{
			{Name: "x", Type: onnx.Float32, Shape: []int64{-1, 3}},
			{Name: "ids", Type: onnx.Int64, Shape: []int64{-1, 4}},
		},
		Outputs: []onnx.Value{
			{Name: "total", Type: onnx.Float32, Shape: []int64{-1}},
			{Name: "y", Type: onnx.Float32, Shape: []int64{-1, 3}},
		},
	}
	slow = ort.Contract{
		Role: "slow",
		Inputs: []onnx.Value{
			{Name: "x", Type: onnx.Float32, Shape: []int64{-1, -1}},
			{Name: "count", Type: onnx.Int64, Shape: []int64{1}},
		},
		Outputs: []onnx.Value{{Name: "y", Type: onnx.Float32, Shape: []int64{-1, -1}}},
	}
)

func load(t *testing.T, contract ort.Contract, o ort.SessionOptions) (*ort.Runtime, *ort.Session) {
	t.Helper()
	model, err := os.ReadFile("testdata/" + contract.Role + ".onnx")
	if err != nil {
		t.Fatal(err)
	}
	r := testkit.Runtime(t)
	s, err := r.Load(model, contract, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, s
}

func doubleInputs() (map[string]ort.Ints, map[string]*tensor.Tensor) {
	return map[string]ort.Ints{"ids": {Shape: []int64{2, 4}, Data: []int64{1, 2, 3, 4, 5, 6, 7, 8}}},
		map[string]*tensor.Tensor{"x": {Shape: []int64{2, 3}, Data: []float32{1, 2, 3, 4, 5, 6}}}
}

func TestRun(t *testing.T) {
	r, s := load(t, double, ort.SessionOptions{IntraThreads: 1})
	var seen []ort.Run
	r.Observe(func(run ort.Run) { seen = append(seen, run) })
	defer r.Observe(nil)
	before := r.Busy()
	ints, floats := doubleInputs()
	got, err := s.RunInts(t.Context(), ints, floats)
	if err != nil {
		t.Fatal(err)
	}
	if y := got["y"]; !y.Is(2, 3) || !slices.Equal(y.Data, []float32{2, 4, 6, 8, 10, 12}) {
		t.Errorf("y = %+v", y)
	}
	if total := got["total"]; !total.Is(2) || !slices.Equal(total.Data, []float32{10, 26}) {
		t.Errorf("total = %+v", total)
	}
	if len(seen) != 1 || seen[0].Role != "double" || seen[0].Err != nil || r.Busy()-before < seen[0].Duration {
		t.Errorf("observed %+v, busy %v", seen, r.Busy()-before)
	}
}

func TestRunRefuses(t *testing.T) {
	_, s := load(t, double, ort.SessionOptions{IntraThreads: 1})
	for name, test := range map[string]struct {
		change func(map[string]ort.Ints, map[string]*tensor.Tensor)
		want   string
	}{
		"a missing input": {func(_ map[string]ort.Ints, f map[string]*tensor.Tensor) { delete(f, "x") }, "1 inputs given, the graph takes 2"},
		"another input":   {func(_ map[string]ort.Ints, f map[string]*tensor.Tensor) { f["z"] = f["x"]; delete(f, "x") }, "input x float [?,3] is missing"},
		"another extent":  {func(_ map[string]ort.Ints, f map[string]*tensor.Tensor) { f["x"] = tensor.New(2, 4) }, "input x: expected x float [?,3], found shape [2 4]"},
		"too little data": {func(i map[string]ort.Ints, _ map[string]*tensor.Tensor) {
			i["ids"] = ort.Ints{Shape: []int64{2, 4}, Data: make([]int64, 7)}
		}, "input ids: expected ids int64 [?,4], found shape [2 4] with 7 elements"},
		"no elements": {func(i map[string]ort.Ints, _ map[string]*tensor.Tensor) { i["ids"] = ort.Ints{Shape: []int64{0, 4}} }, "input ids: expected"},
		"ids that are float": {func(i map[string]ort.Ints, f map[string]*tensor.Tensor) {
			delete(i, "ids")
			f["ids"] = tensor.New(2, 4)
		}, "input ids int64 [?,4] is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			ints, floats := doubleInputs()
			test.change(ints, floats)
			_, err := s.RunInts(t.Context(), ints, floats)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	r := testkit.Runtime(t)
	wrong := double
	wrong.Outputs = []onnx.Value{{Name: "y", Type: onnx.Float32, Shape: []int64{-1, 7}}}
	plugin := ort.SessionOptions{Provider: ort.Provider{Name: "NoSuchProvider", Library: "testdata/make.py"}}
	for name, test := range map[string]struct {
		file     string
		contract ort.Contract
		options  ort.SessionOptions
		want     string
	}{
		"another shape":     {"double", wrong, ort.SessionOptions{}, "output y: expected y float [?,7], found y float [?,3]"},
		"external data":     {"external", double, ort.SessionOptions{}, `tensor "w" has external data`},
		"unknown provider":  {"double", double, ort.SessionOptions{Provider: ort.Provider{Name: "npu"}}, `provider "npu" is none of cpu, cuda and tensorrt`},
		"no CUDA in it":     {"double", double, ort.SessionOptions{Provider: ort.Provider{Name: ort.CUDA}}, "provider cuda: "},
		"no plugin library": {"double", double, plugin, "provider NoSuchProvider: "},
	} {
		t.Run(name, func(t *testing.T) {
			model, err := os.ReadFile("testdata/" + test.file + ".onnx")
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Load(model, test.contract, test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func slowInputs(count int64) (map[string]ort.Ints, map[string]*tensor.Tensor) {
	return map[string]ort.Ints{"count": {Shape: []int64{1}, Data: []int64{count}}},
		map[string]*tensor.Tensor{"x": tensor.New(64, 64)}
}

func TestCancelStopsARun(t *testing.T) {
	_, s := load(t, slow, ort.SessionOptions{IntraThreads: 1})
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("nobody wants it")
	defer time.AfterFunc(20*time.Millisecond, func() { cancel(reason) }).Stop()
	ints, floats := slowInputs(1 << 40) // for days
	if _, err := s.RunInts(ctx, ints, floats); !errors.Is(err, reason) {
		t.Fatalf("got %v", err)
	}
	ints, floats = slowInputs(3)
	if _, err := s.RunInts(t.Context(), ints, floats); err != nil {
		t.Errorf("the run after a stopped one: %v", err)
	}
	if _, err := s.RunInts(ctx, ints, floats); !errors.Is(err, reason) {
		t.Errorf("a run of an ended context: %v", err)
	}
}

func TestSlotsBoundRuns(t *testing.T) {
	r, s := load(t, slow, ort.SessionOptions{IntraThreads: 1, Slots: 1})
	var overlap atomic.Bool
	var mu sync.Mutex
	var ended time.Time
	r.Observe(func(run ort.Run) {
		mu.Lock()
		defer mu.Unlock()
		if run.Begin.Before(ended) {
			overlap.Store(true)
		}
		ended = run.Begin.Add(run.Duration)
	})
	defer r.Observe(nil)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			ints, floats := slowInputs(50)
			if _, err := s.RunInts(t.Context(), ints, floats); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if overlap.Load() {
		t.Error("two runs of a session with one slot overlapped")
	}
}

func TestClosedSessionRefuses(t *testing.T) {
	_, s := load(t, double, ort.SessionOptions{IntraThreads: 1})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ints, floats := doubleInputs()
	if _, err := s.RunInts(t.Context(), ints, floats); !errors.Is(err, ort.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestStartSharesOneRuntime(t *testing.T) {
	r := testkit.Runtime(t)
	again, err := ort.Start("")
	if err != nil || again != r {
		t.Fatalf("got %p, %v, want %p", again, err, r)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ort.Start("/elsewhere/libonnxruntime.so"); err == nil || !strings.Contains(err.Error(), "already runs") {
		t.Errorf("got %v", err)
	}
	devices, err := r.Devices()
	if err != nil || !slices.ContainsFunc(devices, func(d ort.Device) bool { return d.Provider == "CPUExecutionProvider" }) {
		t.Errorf("devices %v, %v", devices, err)
	}
}
