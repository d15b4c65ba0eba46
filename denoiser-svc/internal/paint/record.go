package paint

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/facestudio/facestudio/services/diffusion"
)

// RecordKeyword is the PNG text record that has a Record as JSON.
const RecordKeyword = "facestudio"

// DigitalSource is IPTC's term for pictures made by a trained model.
const DigitalSource = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

// xmpKeyword is where PNG readers look for XMP (XMP specification part 3).
const xmpKeyword = "XML:com.adobe.xmp"

const xmpPacket = `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>` +
	`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
	`<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">` +
	`<Iptc4xmpExt:DigitalSourceType>` + DigitalSource + `</Iptc4xmpExt:DigitalSourceType>` +
	`</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>`

// Record is how a picture was made, as far as it tells nothing of the people
// and the prompt.
type Record struct {
	// Seed is decimal: JSON readers lose digits of large numbers.
	Seed          string  `json:"seed"`
	Index         uint32  `json:"index"`
	Steps         int     `json:"steps"`
	GuidanceScale float32 `json:"guidance_scale"`
	Alpha         float32 `json:"alpha"`
	// Sampler is a diffusion.Method.
	Sampler      string `json:"sampler"`
	KarrasSigmas bool   `json:"karras_sigmas,omitempty"`
	// Strength is unset where the picture was made of noise alone.
	Strength     float32 `json:"strength,omitempty"`
	NoiseVersion string  `json:"noise_version"`
	// Bundle is the bundle's digest.
	Bundle            string `json:"bundle"`
	DigitalSourceType string `json:"digital_source_type"`
}

// text returns the PNG text records of a job's picture.
func (p *Painter) text(j *Job) (map[string]string, error) {
	record, err := json.Marshal(Record{
		Seed: strconv.FormatUint(j.Seed, 10), Index: j.Index, Steps: j.Steps, GuidanceScale: j.Scale, Alpha: j.Alpha,
		Sampler: string(j.Method), KarrasSigmas: j.Karras, Strength: j.Strength, NoiseVersion: diffusion.NoiseVersion,
		Bundle: p.bundle, DigitalSourceType: "trainedAlgorithmicMedia",
	})
	if err != nil {
		return nil, fmt.Errorf("picture record: %w", err)
	}
	return map[string]string{"Software": "FaceStudio", RecordKeyword: string(record), xmpKeyword: xmpPacket}, nil
}
