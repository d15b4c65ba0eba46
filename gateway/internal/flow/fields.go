package flow

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// Fields of the generation that a stage's fault may be about.
const (
	subjectField = "subjects[0]"
	photosField  = subjectField + ".photos"
	styleField   = "style"
	promptField  = "prompt"
)

func photoField(i int) string { return fmt.Sprintf("%s[%d]", photosField, i) }

// photoFault is a stage's fault about photo i as the generation tells it.
func photoFault(i int, f *faultv1.Fault) *faultv1.Fault {
	f = proto.CloneOf(f)
	f.Field = photoField(i)
	return f
}

// blame makes a stage's fault about its request one about a field of the
// generation. Other errors stay as they are.
func blame(err error, field string) error {
	return reblame(err, func(string) string { return field })
}

// blamePhotos is blame for EmbedFaces, whose faults may name one photo.
func blamePhotos(err error) error {
	return reblame(err, func(field string) string {
		if strings.HasPrefix(field, "photos[") {
			return subjectField + "." + field
		}
		return photosField
	})
}

// blameDenoise is blame for Denoise, most of whose fields have the same names
// in a generation.
func blameDenoise(err error) error {
	same := []string{"seed", "width", "height", "steps", "guidance_scale", "alpha", "background", "style", "preview_every", "bundle"}
	return reblame(err, func(field string) string {
		first, _, _ := strings.Cut(field, ".")
		switch {
		case slices.Contains(same, first):
			return first
		case strings.HasPrefix(field, "identities"):
			return subjectField
		case first == "image_embedding":
			return styleField
		case first == "text_image_embedding":
			return promptField
		default:
			return ""
		}
	})
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
