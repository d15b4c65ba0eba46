package onnx

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Errors that Read wraps.
var (
	// ErrNotONNX marks bytes that are no ONNX model.
	ErrNotONNX = errors.New("not an ONNX model")
	// ErrExternalData marks a model whose weights, or whose compiled parts,
	// are in other files.
	ErrExternalData = errors.New("the model refers to other files")
)

// Field numbers of onnx.proto3 (github.com/onnx/onnx, onnx/onnx.proto3).
const (
	modelGraph, modelFunctions = 7, 25

	graphNode, graphName, graphInitializer   = 1, 2, 5
	graphInput, graphOutput, graphSparseInit = 11, 12, 15

	functionNode, functionAttribute = 7, 11

	nodeOperator, nodeAttribute = 4, 5

	attributeTensor, attributeGraph, attributeTensors       = 5, 6, 10
	attributeGraphs, attributeSparse, attributeSparseTensor = 11, 22, 23

	tensorName, tensorExternalData, tensorDataLocation = 8, 13, 14

	sparseValues, sparseIndices = 1, 2

	valueName, valueType              = 1, 2
	typeTensor                        = 1
	tensorElement, tensorShape        = 1, 2
	shapeDimension                    = 1
	dimensionValue                    = 1
	maxSubgraphs                      = 32
	operatorWithAFileOfItsOwn         = "EPContext"
	locationExternal           uint64 = 1
)

// Read parses a model's inputs and outputs. It fails with ErrNotONNX on bytes
// that are no ONNX model with a graph, and with ErrExternalData on a model
// with a tensor, anywhere in it, whose data is in another file.
func Read(data []byte) (*Graph, error) {
	graph := &Graph{}
	seen := false
	err := fields(data, func(number protowire.Number, value field) error {
		switch number {
		case modelGraph:
			seen = true
			return graph.read(value.bytes)
		case modelFunctions:
			return fields(value.bytes, func(number protowire.Number, value field) error {
				switch number {
				case functionNode:
					return checkNode(value.bytes, 0)
				case functionAttribute:
					return checkAttribute(value.bytes, 0)
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !seen || len(graph.Outputs) == 0 {
		return nil, fmt.Errorf("%w: it has no graph with outputs", ErrNotONNX)
	}
	return graph, nil
}

func (g *Graph) read(data []byte) error {
	initialized := map[string]bool{}
	err := fields(data, func(number protowire.Number, value field) error {
		switch number {
		case graphName:
			g.Name = string(value.bytes)
		case graphInitializer:
			name, err := checkTensor(value.bytes)
			initialized[name] = true
			return err
		case graphInput:
			v, err := readValue(value.bytes)
			g.Inputs = append(g.Inputs, v)
			return err
		case graphOutput:
			v, err := readValue(value.bytes)
			g.Outputs = append(g.Outputs, v)
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	// Before IR version 4, weights were listed among the inputs too.
	inputs := g.Inputs[:0]
	for _, v := range g.Inputs {
		if !initialized[v.Name] {
			inputs = append(inputs, v)
		}
	}
	g.Inputs = inputs
	return checkGraph(data, 0)
}

func readValue(data []byte) (Value, error) {
	var v Value
	err := fields(data, func(number protowire.Number, value field) error {
		switch number {
		case valueName:
			v.Name = string(value.bytes)
		case valueType:
			return fields(value.bytes, func(number protowire.Number, value field) error {
				if number != typeTensor {
					return nil
				}
				return fields(value.bytes, func(number protowire.Number, value field) error {
					switch number {
					case tensorElement:
						v.Type = Type(value.varint)
					case tensorShape:
						return v.readShape(value.bytes)
					}
					return nil
				})
			})
		}
		return nil
	})
	return v, err
}

func (v *Value) readShape(data []byte) error {
	return fields(data, func(number protowire.Number, value field) error {
		if number != shapeDimension {
			return nil
		}
		extent := Dynamic
		err := fields(value.bytes, func(number protowire.Number, value field) error {
			if number == dimensionValue && value.varint <= math.MaxInt64 {
				extent = int64(value.varint)
			}
			return nil
		})
		v.Shape = append(v.Shape, extent)
		return err
	})
}

// field is the value of one protobuf field: a number or bytes.
type field struct {
	varint uint64
	bytes  []byte
}

func fields(data []byte, visit func(protowire.Number, field) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrNotONNX, protowire.ParseError(n))
		}
		data = data[n:]
		var value field
		switch kind {
		case protowire.VarintType:
			value.varint, n = protowire.ConsumeVarint(data)
		case protowire.BytesType:
			value.bytes, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrNotONNX, protowire.ParseError(n))
		}
		data = data[n:]
		if err := visit(number, value); err != nil {
			return err
		}
	}
	return nil
}
