package ort

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/facestudio/facestudio/services/onnx"
	native "github.com/yalue/onnxruntime_go"
)

// Contract is what a graph must take and give; see onnx.Contract.
type Contract = onnx.Contract

// SessionOptions says how a graph is run. Its zero value is one slot on the
// CPU with as many threads as there are processors.
type SessionOptions struct {
	// Provider runs the graph.
	Provider Provider
	// IntraThreads is how many threads compute one run on the CPU, the caller
	// among them. It is part of what makes results the same bits; 0 means one
	// for each processor.
	IntraThreads int
	// Slots is how many runs of the session may be under way at once; others
	// wait. 0 means 1.
	Slots int
}

// Session is one loaded graph. It may be used by many goroutines.
type Session struct {
	runtime  *Runtime
	contract Contract
	outputs  []string
	native   *native.DynamicAdvancedSession
	// slots holds a RunOptions for each run that may begin; there are made of
	// them in all.
	slots chan *native.RunOptions
	made  int

	closing sync.Once
	closed  chan struct{}
}

// Load makes a session from a model's bytes, which are not needed afterwards.
// The model must not refer to other files, and its inputs and outputs must fit
// the contract; the error names the graph, the tensor, what was expected and
// what was found.
func (r *Runtime) Load(model []byte, contract Contract, o SessionOptions) (*Session, error) {
	graph, err := onnx.Read(model)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", contract.Role, err)
	}
	if err := contract.Check(graph); err != nil {
		return nil, err
	}
	s := &Session{runtime: r, contract: contract, slots: make(chan *native.RunOptions, max(o.Slots, 1)), closed: make(chan struct{})}
	inputs := make([]string, len(contract.Inputs))
	for i, v := range contract.Inputs {
		inputs[i] = v.Name
	}
	for _, v := range contract.Outputs {
		s.outputs = append(s.outputs, v.Name)
	}
	options, err := r.options(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", contract.Role, err)
	}
	s.native, err = native.NewDynamicAdvancedSessionWithONNXData(model, inputs, s.outputs, options)
	if err = errors.Join(err, options.Destroy()); err != nil {
		return nil, fmt.Errorf("%s: load the graph: %w", contract.Role, err)
	}
	for range cap(s.slots) {
		run, err := native.NewRunOptions()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: make run options: %w", contract.Role, err), s.Close())
		}
		s.slots <- run
		s.made++
	}
	return s, nil
}

func (r *Runtime) options(o SessionOptions) (*native.SessionOptions, error) {
	options, err := native.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("make session options: %w", err)
	}
	threads := o.IntraThreads
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	err = errors.Join(
		options.SetIntraOpNumThreads(threads),
		options.SetInterOpNumThreads(1),
		options.SetExecutionMode(native.ExecutionModeSequential),
		options.SetGraphOptimizationLevel(native.GraphOptimizationLevelEnableAll),
		// Threads that spin while they wait take the processors from the other
		// sessions and services: with two busy neighbours on two cores, 25
		// steps of the U-Net took 2.2 s spinning and 1.3 s sleeping, and on
		// free cores sleeping costs nothing that can be measured.
		options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set session options: %w", err), options.Destroy())
	}
	if err := r.use(o.Provider, options); err != nil {
		return nil, errors.Join(err, options.Destroy())
	}
	return options, nil
}

// Contract is what the session was loaded with.
func (s *Session) Contract() Contract { return s.contract }

// Close refuses further runs, waits for those under way, and frees the graph.
// Only the first Close does something.
func (s *Session) Close() error {
	var errs []error
	s.closing.Do(func() {
		close(s.closed)
		for range s.made {
			run := <-s.slots
			errs = append(errs, run.Destroy())
		}
		errs = append(errs, s.native.Destroy())
	})
	return errors.Join(errs...)
}
