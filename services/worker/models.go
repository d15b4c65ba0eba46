package worker

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/facestudio/facestudio/services/config"
	"github.com/facestudio/facestudio/services/ort"
)

// Models is what an operator sets about running models.
type Models struct {
	// Library is the file of ONNX Runtime's library. Empty: it is looked for.
	Library string
	// Provider is cpu, cuda, tensorrt, or with ProviderLibrary the name of a
	// plugin's provider.
	Provider string
	// ProviderLibrary is the file of a plugin's library. Empty: the provider is
	// built in.
	ProviderLibrary string
	// ProviderOptions are key=value pairs for the provider.
	ProviderOptions []string
	// Threads is how many threads one run of a model uses on the CPU; 0 means
	// one for each core. Results are bit for bit the same for one number.
	Threads int
	// Slots is how many calls a stage works on at the same time.
	Slots int
	// Batch is how many pictures of one size may share a run of the U-Net, where
	// the bundle is batch-invariant; 0 takes the provider's default.
	Batch int
}

// batchElsewhere is how many pictures share a run by default on anything but
// the CPU, where a run of one leaves processors idle. On the CPU they share
// none: there a picture took 1.1 times as long in a run of two and 1.2 times in
// a run of four.
const batchElsewhere = 4

// Register implements config.Section.
func (m *Models) Register(s *config.Set) {
	s.String(&m.Library, "ort-library", "", "file of ONNX Runtime's library; empty looks for it")
	s.String(&m.Provider, "provider", ort.CPU, "what runs the models: cpu, cuda, tensorrt, or a plugin's provider with --provider-library")
	s.String(&m.ProviderLibrary, "provider-library", "", "file of an ONNX Runtime plugin library")
	s.Strings(&m.ProviderOptions, "provider-options", nil, "key=value pairs for the provider, for example device_id=1")
	s.Int(&m.Threads, "threads", 0, "threads of one run of a model on the CPU; 0 is one for each core")
	s.Int(&m.Slots, "slots", 1, "calls that a stage works on at the same time")
	s.Int(&m.Batch, "batch", 0, "pictures of one size, of the slots, that may share a run of the U-Net; 0 is 1 on the cpu and 4 elsewhere")
}

// Validate implements config.Section.
func (m *Models) Validate(p *config.Problems) {
	p.Check(m.Library == "" || isFile(m.Library), "ort-library", "%s is no file: run scripts/setup-models.sh, or name ONNX Runtime's library", m.Library)
	switch m.Provider {
	case ort.CPU, ort.CUDA, ort.TensorRT:
		p.Check(m.ProviderLibrary == "", "provider-library", "provider %s is built in and needs no library: leave it out", m.Provider)
	default:
		p.Check(m.ProviderLibrary != "", "provider", "%q is none of cpu, cuda and tensorrt: a plugin's provider needs provider-library", m.Provider)
	}
	p.Check(m.ProviderLibrary == "" || isFile(m.ProviderLibrary), "provider-library", "%s is no file", m.ProviderLibrary)
	for _, pair := range m.ProviderOptions {
		key, _, ok := strings.Cut(pair, "=")
		p.Check(ok && key != "", "provider-options", "%q is no key=value pair", pair)
	}
	p.Check(m.Threads >= 0 && m.Threads <= 1024, "threads", "%d is outside 0..1024", m.Threads)
	p.Check(m.Slots >= 1 && m.Slots <= 1024, "slots", "%d is outside 1..1024", m.Slots)
	p.Check(m.Batch >= 0 && m.Batch <= 64, "batch", "%d is outside 0..64", m.Batch)
}

// Start starts ONNX Runtime and checks that the provider can be used.
func (m *Models) Start() (*ort.Runtime, error) {
	r, err := ort.Start(m.Library)
	if err != nil {
		return nil, invalid("ort-library", err)
	}
	if err := r.Check(m.Settings()); err != nil {
		_ = r.Close()
		return nil, invalid("provider", err)
	}
	return r, nil
}

// Settings is the provider as services/ort takes it.
func (m *Models) Settings() ort.Provider {
	options := make(map[string]string, len(m.ProviderOptions))
	for _, pair := range m.ProviderOptions {
		key, value, _ := strings.Cut(pair, "=")
		options[key] = value
	}
	return ort.Provider{Name: m.Provider, Library: m.ProviderLibrary, Options: options}
}

// Count is the number of threads of one run.
func (m *Models) Count() int {
	if m.Threads > 0 {
		return m.Threads
	}
	return runtime.NumCPU()
}

// Together is how many pictures may share a run of the U-Net.
func (m *Models) Together() int {
	switch {
	case m.Batch > 0:
		return m.Batch
	case m.Provider == ort.CPU:
		return 1
	default:
		return batchElsewhere
	}
}

// invalid is the error of one setting whose value turned out not to work.
func invalid(setting string, err error) error {
	var p config.Problems
	p.Add(setting, "%v", err)
	return fmt.Errorf("start: %w", p.Err())
}
