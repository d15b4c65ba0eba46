// Package onnx reads what an ONNX file says about itself, without running it:
// the names, types and shapes of its inputs and outputs. It refuses files that
// would make a runtime read other files, and checks a file against the
// contract of the role that it is to play.
package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Type is the type of a tensor's elements, numbered as in ONNX.
type Type int32

// The types that the project's graphs take and give.
const (
	// Float32 is IEEE-754 binary32.
	Float32 Type = 1
	// Int64 is a signed 64-bit integer.
	Int64 Type = 7
)

// String names a type as ONNX does, for example "float".
func (t Type) String() string {
	names := map[Type]string{
		1: "float", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
		8: "string", 9: "bool", 10: "float16", 11: "double", 12: "uint32", 13: "uint64", 16: "bfloat16",
	}
	if name, ok := names[t]; ok {
		return name
	}
	return "type " + strconv.Itoa(int(t))
}

// Dynamic is an extent that is known only when the graph runs.
const Dynamic int64 = -1

// Value is an input or an output of a graph.
type Value struct {
	// Name is the tensor's name in the graph.
	Name string
	// Type is the type of its elements; 0 when it is no dense tensor.
	Type Type
	// Shape has the extent of each axis, Dynamic where it is free.
	Shape []int64
}

// String writes a value as "pixels float [?,3,64,64]".
func (v Value) String() string {
	extents := make([]string, len(v.Shape))
	for i, extent := range v.Shape {
		extents[i] = "?"
		if extent != Dynamic {
			extents[i] = strconv.FormatInt(extent, 10)
		}
	}
	return v.Name + " " + v.Type.String() + " [" + strings.Join(extents, ",") + "]"
}

// Graph is what a file says of its graph.
type Graph struct {
	// Name is the graph's own name.
	Name string
	// Inputs are what a caller must give, in the file's order. Weights are not
	// among them.
	Inputs []Value
	// Outputs are what the graph computes, in the file's order.
	Outputs []Value
}

// Contract is what a graph must take and give to play a role.
type Contract struct {
	// Role names the graph in messages, for example "unet".
	Role string
	// Inputs are all inputs of the graph. Dynamic means that the graph must
	// accept any extent.
	Inputs []Value
	// Outputs are the outputs that are used; a graph may have more.
	Outputs []Value
}

// ErrContract marks every error of Contract.Check.
var ErrContract = errors.New("graph does not fit its contract")

// Check tells, in one error for all of them, where a graph differs from the
// contract: a missing, unknown or wrongly typed or shaped tensor, each with
// what was expected and what was found. An extent that the contract fixes may
// be dynamic in the graph; it is then checked when the graph runs.
func (c Contract) Check(g *Graph) error {
	var wrong []string
	side := func(kind string, want, have []Value) {
		for _, w := range want {
			i := slices.IndexFunc(have, func(h Value) bool { return h.Name == w.Name })
			switch {
			case i < 0:
				wrong = append(wrong, fmt.Sprintf("%s %s is missing", kind, w))
			case !fits(w, have[i]):
				wrong = append(wrong, fmt.Sprintf("%s %s: expected %s, found %s", kind, w.Name, w, have[i]))
			}
		}
	}
	side("input", c.Inputs, g.Inputs)
	side("output", c.Outputs, g.Outputs)
	for _, h := range g.Inputs {
		if !slices.ContainsFunc(c.Inputs, func(w Value) bool { return w.Name == h.Name }) {
			wrong = append(wrong, fmt.Sprintf("input %s is not one that the role takes", h))
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", c.Role, ErrContract, strings.Join(wrong, "; "))
}

func fits(want, have Value) bool {
	if want.Type != have.Type || len(want.Shape) != len(have.Shape) {
		return false
	}
	for i, extent := range want.Shape {
		if have.Shape[i] != extent && have.Shape[i] != Dynamic {
			return false
		}
	}
	return true
}
