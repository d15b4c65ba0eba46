package command

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/provenance"
)

// inputs are the files that a picture was made from. Their digests say which is
// which, so that flags only tell people apart from styles for the reader.
type inputs struct {
	faces, subjects, masks []string
	style                  string
}

func (in *inputs) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringArrayVar(&in.faces, "face", nil, "photo that it was made from; repeated, for all people together")
	f.StringArrayVar(&in.subjects, "subject", nil, "name=a.jpg,b.jpg: as --face a.jpg --face b.jpg")
	f.StringVar(&in.style, "style", "", "style picture that it was made from")
	f.StringArrayVar(&in.masks, "mask", nil, "mask that a person was placed by")
}

// file is one of the inputs.
type file struct {
	flag string
	data []byte
	used bool
}

// read returns the files by their digests.
func (in *inputs) read() (map[string]*file, []*file, error) {
	byDigest := map[string]*file{}
	var all []*file
	add := func(flag, path string) error {
		flag += " " + path
		data, err := readFile(path, flag)
		if err != nil {
			return err
		}
		f := &file{flag: flag, data: data}
		byDigest[provenance.Digest(data)] = f
		all = append(all, f)
		return nil
	}
	for _, path := range in.faces {
		if err := add("--face", path); err != nil {
			return nil, nil, err
		}
	}
	for _, text := range in.subjects {
		_, paths, ok := strings.Cut(text, "=")
		if !ok {
			return nil, nil, usage("--subject %s: write name=photo, or name=photo,photo", text)
		}
		for path := range strings.SplitSeq(paths, ",") {
			if err := add("--subject", path); err != nil {
				return nil, nil, err
			}
		}
	}
	for _, path := range in.masks {
		if err := add("--mask", path); err != nil {
			return nil, nil, err
		}
	}
	if in.style != "" {
		if err := add("--style", in.style); err != nil {
			return nil, nil, err
		}
	}
	return byDigest, all, nil
}

// fill puts the files where the record has their digests. It names what is
// missing and what was no part of the picture.
func (in *inputs) fill(g *gatewayv1.Generation) error {
	byDigest, all, err := in.read()
	if err != nil {
		return err
	}
	var missing []string
	err = provenance.Pictures(g, func(path string, p *mediav1.Picture) error {
		digest := p.GetBlob().GetSha256()
		f, ok := byDigest[digest]
		if !ok {
			missing = append(missing, fmt.Sprintf("%s (%s, SHA-256 %.12s...)", path, flagFor(path), digest))
			return nil
		}
		f.used = true
		p.Source = &mediav1.Picture_Data{Data: f.data}
		return nil
	})
	if err != nil {
		return err
	}
	var others []string
	for _, f := range all {
		if !f.used {
			others = append(others, f.flag)
		}
	}
	switch {
	case len(missing) > 0 && len(others) > 0:
		return fault.New(fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, others[0],
			"it is another file than the picture was made from: give the very file of %s", strings.Join(missing, ", "))
	case len(missing) > 0:
		return fault.New(fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, flagFor(missing[0]),
			"the picture was also made from other files: give that of %s", strings.Join(missing, ", "))
	case len(others) > 0:
		return fault.New(fault.Invalid, faultv1.Reason_REASON_INVALID_FIELD, others[0], "the picture was not made from it: leave it out")
	}
	return nil
}

// flagFor is the flag that gives the picture at a path of the request.
func flagFor(path string) string {
	switch {
	case strings.HasPrefix(path, "style"):
		return "--style"
	case strings.Contains(path, "mask"):
		return "--mask"
	default:
		return "--face"
	}
}

// differences names what is not the same in a picture and its replay.
func differences(was recorded, now []byte) []string {
	var out []string
	record, err := provenance.Read(now)
	if err != nil {
		return []string{"the new picture has no record: " + err.Error()}
	}
	tell := func(what string, a, b any) {
		if a != b {
			out = append(out, fmt.Sprintf("%s was %v and is %v", what, a, b))
		}
	}
	tell("the noise version", was.record.NoiseVersion, record.NoiseVersion)
	tell("the bundle", was.record.Bundle, record.Bundle)
	tell("the index", was.record.Index, record.Index)
	tell("the request", string(was.record.Request), string(record.Request))
	tell("the digital source type", was.record.Source, record.Source)
	return append(out, pixels(was.data, now))
}

// pixels tells how the pixels of two pictures differ.
func pixels(was, now []byte) string {
	a, err := imaging.Decode(was, imaging.Limits{MinSide: 1})
	if err != nil {
		return "the pixels of the old picture cannot be read: " + err.Error()
	}
	b, err := imaging.Decode(now, imaging.Limits{MinSide: 1})
	if err != nil {
		return "the pixels of the new picture cannot be read: " + err.Error()
	}
	if a.W != b.W || a.H != b.H {
		return fmt.Sprintf("it had %d x %d pixels and has %d x %d", a.W, a.H, b.W, b.H)
	}
	count, most := 0, 0
	for i := 0; i < len(a.Pix); i += 3 {
		d := 0
		for c := range 3 {
			d = max(d, int(a.Pix[i+c])-int(b.Pix[i+c]), int(b.Pix[i+c])-int(a.Pix[i+c]))
		}
		if d > 0 {
			count, most = count+1, max(most, d)
		}
	}
	if count == 0 {
		return "the pixels are the same, so the file was saved anew by another program or version"
	}
	return fmt.Sprintf("%d of %d pixels differ, by at most %d of 255 levels, as another ONNX Runtime, processor or number of threads may make them", count, a.W*a.H, most)
}

func sentence(parts []string) string { return strings.Join(parts, "; ") }
