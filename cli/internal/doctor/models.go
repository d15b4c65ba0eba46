package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/facestudio/facestudio/services/ort"
	"github.com/facestudio/facestudio/services/worker"
)

// models looks at ONNX Runtime, its providers and the GPUs of the machine.
func models(m worker.Models) []Finding {
	r, err := ort.Start(m.Library)
	if err != nil {
		return []Finding{{
			Check: "onnx runtime", Status: Fail, Detail: err.Error(),
			Advice: "run `make setup` (scripts/setup-models.sh), or name the library with --ort-library",
		}}
	}
	defer r.Close()
	chosen := Finding{Check: "provider", Status: OK, Detail: m.Provider + " can be used"}
	if err := r.Check(m.Settings()); err != nil {
		chosen.Status, chosen.Detail = Fail, err.Error()
		chosen.Advice = "use --provider cpu, or name a library of ONNX Runtime " + ort.Version + " with this provider by --ort-library or --provider-library"
	}
	return []Finding{
		{Check: "onnx runtime", Status: OK, Detail: fmt.Sprintf("%s at %s", ort.Version, r.Path())},
		{Check: "cpu", Status: OK, Detail: fmt.Sprintf("%d cores, %d threads a run", runtime.NumCPU(), m.Count())},
		devices(r),
		gpu(r),
		chosen,
	}
}

func devices(r *ort.Runtime) Finding {
	found, err := r.Devices()
	if err != nil {
		return Finding{Check: "devices", Status: Warn, Detail: err.Error()}
	}
	names := make([]string, len(found))
	for i, d := range found {
		names[i] = fmt.Sprintf("%s (%s)", d.Provider, d.Vendor)
	}
	slices.Sort(names)
	return Finding{Check: "devices", Status: OK, Detail: strings.Join(slices.Compact(names), ", ")}
}

// gpu finds NVIDIA GPUs by what their driver shows in /proc, without loading
// anything, and says whether the loaded ONNX Runtime can use them.
func gpu(r *ort.Runtime) Finding {
	cards, err := filepath.Glob("/proc/driver/nvidia/gpus/*/information")
	if err != nil || len(cards) == 0 {
		return Finding{Check: "gpu", Status: OK, Detail: "no NVIDIA driver: pictures are made on the CPU"}
	}
	names := make([]string, 0, len(cards))
	for _, card := range cards {
		names = append(names, model(card))
	}
	f := Finding{Check: "gpu", Status: OK, Detail: strings.Join(names, ", ")}
	if err := r.Check(ort.Provider{Name: ort.CUDA}); err != nil {
		f.Status = Warn
		f.Detail += "; " + err.Error()
		f.Advice = "for the GPU name a library of ONNX Runtime " + ort.Version + " with CUDA by --ort-library, and give --provider cuda"
		return f
	}
	f.Detail += "; the cuda provider can be used"
	f.Advice = "give --provider cuda to use it"
	return f
}

// model reads the "Model:" line of a card.
func model(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "NVIDIA GPU"
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "Model:"); ok {
			return strings.TrimSpace(name)
		}
	}
	return "NVIDIA GPU"
}
