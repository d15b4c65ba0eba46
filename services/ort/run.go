package ort

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/facestudio/facestudio/services/onnx"
	"github.com/facestudio/facestudio/services/tensor"
	native "github.com/yalue/onnxruntime_go"
)

// Ints is a tensor of 64-bit integers, for example token ids.
type Ints struct {
	// Shape has the extent of each axis.
	Shape []int64
	// Data has the elements in row-major order.
	Data []int64
}

// ErrClosed is what a run of a closed session fails with.
var ErrClosed = errors.New("the session is closed")

// Run computes the graph's outputs from its inputs, all of them f32. It waits
// for a free slot. When ctx ends, a run under way is stopped, and Run returns
// the cause once the library no longer uses the inputs. The inputs are only
// read; the outputs belong to the caller.
func (s *Session) Run(ctx context.Context, inputs map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	return s.RunInts(ctx, nil, inputs)
}

// RunInts is Run for a graph some inputs of which are int64.
func (s *Session) RunInts(ctx context.Context, ints map[string]Ints, floats map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	outputs, err := s.run(ctx, ints, floats)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", s.contract.Role, err)
	}
	return outputs, nil
}

func (s *Session) run(ctx context.Context, ints map[string]Ints, floats map[string]*tensor.Tensor) (_ map[string]*tensor.Tensor, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	inputs, err := s.bind(ints, floats)
	defer func() { err = errors.Join(err, destroy(inputs)) }()
	if err != nil {
		return nil, err
	}
	var slot *native.RunOptions
	select {
	case slot = <-s.slots:
	case <-s.closed:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { s.slots <- slot }()

	outputs := make([]native.Value, len(s.outputs))
	err = s.call(ctx, slot, inputs, outputs)
	defer func() { err = errors.Join(err, destroy(outputs)) }()
	if err != nil {
		return nil, err
	}
	return s.take(outputs)
}

// call makes the native call. The slot is not terminating when it returns.
func (s *Session) call(ctx context.Context, slot *native.RunOptions, inputs, outputs []native.Value) error {
	stopped := make(chan error, 1)
	release := context.AfterFunc(ctx, func() { stopped <- slot.Terminate() })
	s.runtime.busy.enter()
	begin := time.Now()
	err := s.native.RunWithOptions(inputs, outputs, slot)
	duration := time.Since(begin)
	s.runtime.busy.leave()
	if !release() {
		// The flag is being set or is set: wait for that, then take it back,
		// so that it cannot hit the next run of this slot.
		if failed := errors.Join(<-stopped, slot.UnsetTerminate()); failed != nil {
			err = errors.Join(err, failed)
		}
		if err != nil {
			err = context.Cause(ctx)
		}
	}
	s.runtime.observer.tell(Run{Role: s.contract.Role, Begin: begin, Duration: duration, Err: err})
	return err
}

// bind makes native tensors of the inputs, in the contract's order, over the
// callers' own memory: Go does not move it, and the callers hold it until the
// run has ended.
func (s *Session) bind(ints map[string]Ints, floats map[string]*tensor.Tensor) ([]native.Value, error) {
	if want, got := len(s.contract.Inputs), len(ints)+len(floats); want != got {
		return nil, fmt.Errorf("%d inputs given, the graph takes %d", got, want)
	}
	values := make([]native.Value, 0, len(s.contract.Inputs))
	for _, v := range s.contract.Inputs {
		var value native.Value
		var err error
		if v.Type == onnx.Int64 {
			given, ok := ints[v.Name]
			if !ok {
				return values, fmt.Errorf("input %s is missing", v)
			}
			if err = checkShape(v, given.Shape, len(given.Data)); err == nil {
				value, err = native.NewTensor(native.Shape(given.Shape), given.Data)
			}
		} else {
			given, ok := floats[v.Name]
			if !ok || given == nil {
				return values, fmt.Errorf("input %s is missing", v)
			}
			if err = checkShape(v, given.Shape, len(given.Data)); err == nil {
				value, err = native.NewTensor(native.Shape(given.Shape), given.Data)
			}
		}
		if err != nil {
			return values, fmt.Errorf("input %s: %w", v.Name, err)
		}
		values = append(values, value)
	}
	return values, nil
}

// take turns native outputs into tensors. The binding has copied them to Go
// memory already, which outlives the native tensor.
func (s *Session) take(outputs []native.Value) (map[string]*tensor.Tensor, error) {
	taken := make(map[string]*tensor.Tensor, len(outputs))
	for i, v := range s.contract.Outputs {
		floats, ok := outputs[i].(*native.Tensor[float32])
		if !ok {
			return nil, fmt.Errorf("output %s: expected float, found %T", v.Name, outputs[i])
		}
		data := floats.GetData()
		shape := slices.Clone([]int64(floats.GetShape()))
		if err := checkShape(v, shape, len(data)); err != nil {
			return nil, fmt.Errorf("output %s: %w", v.Name, err)
		}
		taken[v.Name] = &tensor.Tensor{Shape: shape, Data: data}
	}
	return taken, nil
}

func checkShape(v onnx.Value, shape []int64, elements int) error {
	product := int64(1)
	fits := len(shape) == len(v.Shape)
	for i, extent := range shape {
		fits = fits && extent > 0 && (v.Shape[i] == onnx.Dynamic || v.Shape[i] == extent)
		product *= extent
	}
	if !fits || product != int64(elements) {
		return fmt.Errorf("expected %s, found shape %v with %d elements", v, shape, elements)
	}
	return nil
}

func destroy(values []native.Value) error {
	var errs []error
	for _, value := range values {
		if value != nil {
			errs = append(errs, value.Destroy())
		}
	}
	return errors.Join(errs...)
}
