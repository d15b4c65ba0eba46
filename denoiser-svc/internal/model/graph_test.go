package model_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of onnx.proto3.
const (
	modelGraph, graphNode, graphOutput   = 7, 1, 12
	nodeInput, nodeOutput, nodeOperator  = 1, 2, 4
	valueName, valueType                 = 1, 2
	typeTensor, tensorElement, float32ID = 1, 1, 1
	tensorShape, shapeAxis               = 2, 1
)

// node is an operation of a graph.
type node struct {
	operator        string
	inputs, outputs []string
}

// nodes returns the operations of a model, in the order in which they run.
func nodes(t *testing.T, data []byte) []node {
	t.Helper()
	var out []node
	each(t, data, modelGraph, func(graph []byte) {
		each(t, graph, graphNode, func(raw []byte) {
			var n node
			each(t, raw, nodeInput, func(v []byte) { n.inputs = append(n.inputs, string(v)) })
			each(t, raw, nodeOutput, func(v []byte) { n.outputs = append(n.outputs, string(v)) })
			each(t, raw, nodeOperator, func(v []byte) { n.operator = string(v) })
			out = append(out, n)
		})
	})
	return out
}

// crossAttention is the output of the first attention that hears the context:
// what is added to features that do not know of it yet.
func crossAttention(t *testing.T, data []byte) string {
	t.Helper()
	heard, seen := map[string]bool{"context": true}, map[string]bool{"latent": true}
	in := func(set map[string]bool) func(string) bool { return func(v string) bool { return set[v] } }
	for _, n := range nodes(t, data) {
		if n.operator == "Add" && len(n.inputs) == 2 {
			for i, input := range n.inputs {
				if other := n.inputs[1-i]; heard[input] && seen[input] && seen[other] && !heard[other] {
					return input
				}
			}
		}
		for _, out := range n.outputs {
			heard[out] = slices.ContainsFunc(n.inputs, in(heard))
			seen[out] = slices.ContainsFunc(n.inputs, in(seen))
		}
	}
	t.Fatal("the graph adds no attention to its features")
	return ""
}

// withOutput returns the model with a tensor of floats as one more output.
func withOutput(t *testing.T, data []byte, name string) []byte {
	t.Helper()
	tensor := protowire.AppendVarint(protowire.AppendTag(nil, tensorElement, protowire.VarintType), float32ID)
	// [B,D,h,w], all of them free.
	var axes []byte
	for range 4 {
		axes = field(axes, shapeAxis, nil)
	}
	tensor = field(tensor, tensorShape, axes)
	kind := field(nil, typeTensor, tensor)
	value := field(field(nil, valueName, []byte(name)), valueType, kind)
	var out []byte
	for rest := data; len(rest) > 0; {
		number, wire, n := protowire.ConsumeTag(rest)
		size := protowire.ConsumeFieldValue(number, wire, rest[n:])
		if n < 0 || size < 0 {
			t.Fatal("the model cannot be read")
		}
		raw := rest[:n+size]
		if number == modelGraph {
			graph, _ := protowire.ConsumeBytes(rest[n:])
			raw = field(nil, modelGraph, field(slices.Clone(graph), graphOutput, value))
		}
		out = append(out, raw...)
		rest = rest[n+size:]
	}
	return out
}

func field(to []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, number, protowire.BytesType), value)
}

// each calls f with each value of a field of bytes.
func each(t *testing.T, data []byte, wanted protowire.Number, f func([]byte)) {
	t.Helper()
	for len(data) > 0 {
		number, wire, n := protowire.ConsumeTag(data)
		size := protowire.ConsumeFieldValue(number, wire, data[max(n, 0):])
		if n < 0 || size < 0 {
			t.Fatal("the model cannot be read")
		}
		if number == wanted && wire == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(data[n:])
			f(value)
		}
		data = data[n+size:]
	}
}
