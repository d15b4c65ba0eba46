package onnx_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/services/onnx"
)

func model(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../ort/testdata/" + name + ".onnx")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRead(t *testing.T) {
	graph, err := onnx.Read(model(t, "double"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range append(graph.Inputs, graph.Outputs...) {
		lines = append(lines, v.String())
	}
	want := "x float [?,3]|ids int64 [?,4]|y float [?,3]|total float [?]"
	if got := strings.Join(lines, "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReadRefuses(t *testing.T) {
	double := model(t, "double")
	for name, test := range map[string]struct {
		data []byte
		want error
	}{
		"external data":    {model(t, "external"), onnx.ErrExternalData},
		"empty":            {nil, onnx.ErrNotONNX},
		"truncated":        {double[:len(double)-7], onnx.ErrNotONNX},
		"pickle":           {[]byte("\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix"), onnx.ErrNotONNX},
		"zip":              {[]byte("PK\x03\x04\x14\x00\x00\x00\x08\x00"), onnx.ErrNotONNX},
		"a graph of none":  {[]byte{0x3a, 0x00}, onnx.ErrNotONNX},
		"endless subgraph": {nested(40), onnx.ErrNotONNX},
		"context node":     {[]byte("\x3a\x0d\x0a\x0b\x22\x09EPContext"), onnx.ErrExternalData},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := onnx.Read(test.data); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

// nested is a model whose graph holds a node with an attribute with a graph,
// and so on, depth times.
func nested(depth int) []byte {
	wrap := func(number byte, data []byte) []byte {
		out := []byte{number<<3 | 2}
		for n := len(data); ; n >>= 7 {
			if n < 0x80 {
				out = append(out, byte(n))
				break
			}
			out = append(out, byte(n)|0x80)
		}
		return append(out, data...)
	}
	var graph []byte
	for range depth {
		graph = wrap(1, wrap(5, wrap(6, graph)))
	}
	return wrap(7, graph)
}

func TestCheck(t *testing.T) {
	graph, err := onnx.Read(model(t, "double"))
	if err != nil {
		t.Fatal(err)
	}
	x := onnx.Value{Name: "x", Type: onnx.Float32, Shape: []int64{-1, 3}}
	ids := onnx.Value{Name: "ids", Type: onnx.Int64, Shape: []int64{-1, 4}}
	y := onnx.Value{Name: "y", Type: onnx.Float32, Shape: []int64{-1, 3}}
	value := func(v onnx.Value, name string, kind onnx.Type, shape ...int64) onnx.Value {
		v.Name, v.Type, v.Shape = name, kind, shape
		return v
	}
	for name, test := range map[string]struct {
		contract onnx.Contract
		want     []string // all must be in the error; none means no error
	}{
		"fits":                     {onnx.Contract{Role: "r", Inputs: []onnx.Value{x, ids}, Outputs: []onnx.Value{y}}, nil},
		"fixed where free":         {onnx.Contract{Role: "r", Inputs: []onnx.Value{value(x, "x", 1, 1, 3), ids}, Outputs: []onnx.Value{y}}, nil},
		"free where fixed":         {onnx.Contract{Role: "r", Inputs: []onnx.Value{value(x, "x", 1, -1, -1), ids}, Outputs: []onnx.Value{y}}, []string{"r: ", "input x: expected x float [?,?], found x float [?,3]"}},
		"another extent":           {onnx.Contract{Role: "r", Inputs: []onnx.Value{x, ids}, Outputs: []onnx.Value{value(y, "y", 1, -1, 5)}}, []string{"output y: expected y float [?,5], found y float [?,3]"}},
		"another rank":             {onnx.Contract{Role: "r", Inputs: []onnx.Value{value(x, "x", 1, -1), ids}, Outputs: []onnx.Value{y}}, []string{"expected x float [?], found x float [?,3]"}},
		"another type":             {onnx.Contract{Role: "r", Inputs: []onnx.Value{x, value(ids, "ids", 1, -1, 4)}, Outputs: []onnx.Value{y}}, []string{"expected ids float [?,4], found ids int64 [?,4]"}},
		"missing and one too many": {onnx.Contract{Role: "r", Inputs: []onnx.Value{x}, Outputs: []onnx.Value{value(y, "z", 1, 2)}}, []string{"output z float [2] is missing", "input ids int64 [?,4] is not one that the role takes"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.contract.Check(graph)
			if len(test.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, onnx.ErrContract) {
				t.Fatalf("got %v", err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in %q", part, err)
				}
			}
		})
	}
}
