package ort

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	native "github.com/yalue/onnxruntime_go"
)

// Names of the providers that need no library of their own.
const (
	// CPU is ONNX Runtime's own CPU provider, the default.
	CPU = "cpu"
	// CUDA is NVIDIA's; the library must be a build with CUDA.
	CUDA = "cuda"
	// TensorRT is NVIDIA's compiler; the library must be a build with it. What
	// it does not take runs on CUDA.
	TensorRT = "tensorrt"
)

// Provider says what runs the graphs.
type Provider struct {
	// Name is CPU, CUDA, TensorRT, or with Library the name of a plugin's
	// provider, for example "OpenVINOExecutionProvider". Empty means CPU.
	Name string
	// Library is the file of a plugin's library. Empty means that the
	// provider is built into ONNX Runtime.
	Library string
	// Options are passed to the provider, for example {"device_id": "1"}.
	Options map[string]string
}

// Device is something that graphs can run on.
type Device struct {
	// Provider is the name of the provider that owns it.
	Provider string
	// Vendor is who made the provider.
	Vendor string
}

// Devices lists what graphs can run on in this process, with the plugin
// libraries that were loaded so far.
func (r *Runtime) Devices() ([]Device, error) {
	found, err := native.GetEpDevices()
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	devices := make([]Device, len(found))
	for i, d := range found {
		devices[i] = Device{Provider: d.EpName(), Vendor: d.EpVendor()}
	}
	return devices, nil
}

// Check fails, saying why and what is there instead, when the provider cannot
// be used in this process. It loads a plugin's library.
func (r *Runtime) Check(p Provider) error {
	options, err := native.NewSessionOptions()
	if err != nil {
		return fmt.Errorf("make session options: %w", err)
	}
	return errors.Join(r.use(p, options), options.Destroy())
}

func (r *Runtime) use(p Provider, options *native.SessionOptions) error {
	var err error
	switch {
	case p.Library != "":
		if err = r.usePlugin(p, options); err != nil {
			return fmt.Errorf("provider %s: %w", p.Name, err)
		}
	case p.Name == "" || p.Name == CPU:
		return nil
	case p.Name == CUDA:
		err = useCUDA(p, options)
	case p.Name == TensorRT:
		if err = useTensorRT(p, options); err == nil {
			err = useCUDA(Provider{Options: device(p.Options)}, options)
		}
	default:
		return fmt.Errorf("provider %q is none of %s, %s and %s: give the plugin's library with it", p.Name, CPU, CUDA, TensorRT)
	}
	if err != nil {
		return fmt.Errorf("provider %s: %w (does %s, the loaded ONNX Runtime, have it, and are its driver and libraries installed?)", p.Name, err, r.path)
	}
	return nil
}

// device keeps the option that TensorRT and CUDA must agree about.
func device(options map[string]string) map[string]string {
	if id, ok := options["device_id"]; ok {
		return map[string]string{"device_id": id}
	}
	return nil
}

func useCUDA(p Provider, options *native.SessionOptions) (err error) {
	cuda, err := native.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cuda.Destroy()) }()
	if len(p.Options) > 0 {
		if err := cuda.Update(p.Options); err != nil {
			return err
		}
	}
	return options.AppendExecutionProviderCUDA(cuda)
}

func useTensorRT(p Provider, options *native.SessionOptions) (err error) {
	rt, err := native.NewTensorRTProviderOptions()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Destroy()) }()
	if len(p.Options) > 0 {
		if err := rt.Update(p.Options); err != nil {
			return err
		}
	}
	return options.AppendExecutionProviderTensorRT(rt)
}

func (r *Runtime) usePlugin(p Provider, options *native.SessionOptions) error {
	if err := r.plugins.register(p.Library); err != nil {
		return err
	}
	found, err := native.GetEpDevices()
	if err != nil {
		return err
	}
	var names []string
	var devices []native.EpDevice
	for _, d := range found {
		if d.EpName() == p.Name {
			devices = append(devices, d)
		}
		names = append(names, d.EpName())
	}
	if len(devices) == 0 {
		slices.Sort(names)
		return fmt.Errorf("%s was loaded but offers no device of it on this machine; devices here are of %s", p.Library, strings.Join(slices.Compact(names), ", "))
	}
	return options.AppendExecutionProviderV2(devices, p.Options)
}

// plugins are the provider libraries loaded so far; each is loaded once.
type plugins struct {
	mu     sync.Mutex
	loaded []string
}

func (p *plugins) register(library string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.loaded, library) {
		return nil
	}
	if err := native.RegisterExecutionProviderLibrary(library, library); err != nil {
		return err
	}
	p.loaded = append(p.loaded, library)
	return nil
}

func (p *plugins) unregister() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, library := range p.loaded {
		errs = append(errs, native.UnregisterExecutionProviderLibrary(library))
	}
	p.loaded = nil
	return errors.Join(errs...)
}
