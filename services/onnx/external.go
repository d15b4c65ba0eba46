package onnx

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// checkGraph walks a graph and its subgraphs for anything that refers to
// another file.
func checkGraph(data []byte, depth int) error {
	if depth > maxSubgraphs {
		return fmt.Errorf("%w: subgraphs are nested more than %d deep", ErrNotONNX, maxSubgraphs)
	}
	return fields(data, func(number protowire.Number, value field) error {
		switch number {
		case graphNode:
			return checkNode(value.bytes, depth)
		case graphInitializer:
			_, err := checkTensor(value.bytes)
			return err
		case graphSparseInit:
			return checkSparse(value.bytes)
		}
		return nil
	})
}

func checkNode(data []byte, depth int) error {
	return fields(data, func(number protowire.Number, value field) error {
		switch number {
		case nodeOperator:
			if string(value.bytes) == operatorWithAFileOfItsOwn {
				return fmt.Errorf("%w: by an %s node", ErrExternalData, operatorWithAFileOfItsOwn)
			}
		case nodeAttribute:
			return checkAttribute(value.bytes, depth)
		}
		return nil
	})
}

func checkAttribute(data []byte, depth int) error {
	return fields(data, func(number protowire.Number, value field) error {
		switch number {
		case attributeTensor, attributeTensors:
			_, err := checkTensor(value.bytes)
			return err
		case attributeGraph, attributeGraphs:
			return checkGraph(value.bytes, depth+1)
		case attributeSparse, attributeSparseTensor:
			return checkSparse(value.bytes)
		}
		return nil
	})
}

func checkSparse(data []byte) error {
	return fields(data, func(number protowire.Number, value field) error {
		if number == sparseValues || number == sparseIndices {
			_, err := checkTensor(value.bytes)
			return err
		}
		return nil
	})
}

func checkTensor(data []byte) (name string, err error) {
	external := false
	err = fields(data, func(number protowire.Number, value field) error {
		switch number {
		case tensorName:
			name = string(value.bytes)
		case tensorExternalData:
			external = true
		case tensorDataLocation:
			external = external || value.varint == locationExternal
		}
		return nil
	})
	if err == nil && external {
		err = fmt.Errorf("%w: tensor %q has external data", ErrExternalData, name)
	}
	return name, err
}
