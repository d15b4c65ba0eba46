package flow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/mask"
)

// Fields of the generation that a stage's fault may be about.
const (
	subjectsField = "subjects"
	styleField    = "style"
	promptField   = "prompt"
)

func subjectField(i int) string { return fmt.Sprintf("subjects[%d]", i) }

func mixField(i, part int) string { return fmt.Sprintf("subjects[%d].mix[%d]", i, part) }

func maskField(i int) string { return subjectField(i) + ".at.mask" }

// faultAt is a stage's fault as the generation tells it.
func faultAt(field string, f *faultv1.Fault) *faultv1.Fault {
	f = proto.CloneOf(f)
	f.Field = field
	return f
}

// blame makes a stage's fault about its request one about a field of the
// generation. Other errors stay as they are.
func blame(err error, field string) error {
	return reblame(err, func(string) string { return field })
}

// blamePhotos is blame for EmbedFaces, whose faults may name one of the photos,
// which are those of the field at.
func blamePhotos(err error, at string) error {
	return reblame(err, func(field string) string {
		if index, ok := strings.CutPrefix(field, "photos["); ok {
			return at + "[" + index
		}
		return at
	})
}

// blameDenoise is blame for Denoise, most of whose fields have the same names
// in a generation. Its identities are the roles of c.
func blameDenoise(err error, c cast) error {
	same := []string{
		"seed", "width", "height", "steps", "guidance_scale", "alpha", "background", "style", "preview_every", "bundle",
		"sampler", "karras_sigmas", "strength",
	}
	return reblame(err, func(field string) string {
		first, _, _ := strings.Cut(field, ".")
		switch {
		case slices.Contains(same, first):
			return first
		case strings.HasPrefix(first, "identities"):
			return c.field(first)
		case first == "image_embedding":
			return styleField
		case first == "text_image_embedding":
			return promptField
		default:
			return ""
		}
	})
}

// field is the subject's that "identities[i]" is made of.
func (c cast) field(identity string) string {
	i, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(identity, "identities["), "]"))
	switch {
	case err != nil || i < 0 || i >= len(c):
		return subjectsField
	case c[i].subject == mask.Nobody:
		return styleField
	default:
		return subjectField(c[i].subject)
	}
}

func reblame(err error, field func(string) string) error {
	f := fault.From(err)
	if f == nil || (f.Kind != fault.Invalid && f.Field == "") {
		return err
	}
	c := *f
	c.Field = field(f.Field)
	return &c
}
