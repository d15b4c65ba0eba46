package encoder_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"strings"
	"testing"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/testkit"
)

func TestRequestsRefused(t *testing.T) {
	c := client(t)
	example := testkit.ExampleFace(t)
	huge := hugePNG(t)
	for name, test := range map[string]struct {
		call  func() error
		want  faultv1.Reason
		field string
	}{
		"no photos":      {func() error { return second(c.EmbedFaces(t.Context(), &encoderv1.EmbedFacesRequest{})) }, faultv1.Reason_REASON_INVALID_FIELD, "photos"},
		"another bundle": {func() error { return second(c.EmbedFaces(t.Context(), &encoderv1.EmbedFacesRequest{Bundle: "abc"})) }, faultv1.Reason_REASON_BUNDLE_MISMATCH, "bundle"},
		"17 texts": {func() error {
			return second(c.EmbedTexts(t.Context(), &encoderv1.EmbedTextsRequest{Texts: make([]string, 17)}))
		}, faultv1.Reason_REASON_INVALID_FIELD, "texts"},
		"a long text": {func() error {
			return second(c.EmbedTexts(t.Context(), &encoderv1.EmbedTextsRequest{Texts: []string{"a", strings.Repeat("face ", 40)}}))
		}, faultv1.Reason_REASON_PROMPT_TOO_LONG, "texts[1]"},
		"a huge text": {func() error {
			return second(c.EmbedTexts(t.Context(), &encoderv1.EmbedTextsRequest{Texts: []string{strings.Repeat("a", 2001)}}))
		}, faultv1.Reason_REASON_PROMPT_TOO_LONG, "texts[0]"},
		"no picture": {func() error { return second(c.DetectFaces(t.Context(), &encoderv1.DetectFacesRequest{})) }, faultv1.Reason_REASON_INVALID_FIELD, "picture"},
		"huge by its header": {func() error {
			return second(c.DetectFaces(t.Context(), &encoderv1.DetectFacesRequest{Picture: inline(huge)}))
		},
			faultv1.Reason_REASON_IMAGE_TOO_LARGE, "picture"},
		"a box of no size": {func() error {
			return second(c.EmbedImages(t.Context(), &encoderv1.EmbedImagesRequest{Images: []*encoderv1.ImageToEmbed{{Picture: inline(example), Faces: []*mediav1.Box{{}}}}}))
		}, faultv1.Reason_REASON_INVALID_FIELD, "images[0].faces[0]"},
		"not stored": {func() error {
			lost := &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: &mediav1.Blob{Sha256: strings.Repeat("0", 64), Size: 7, MediaType: "image/png"}}}
			return second(c.EmbedFaces(t.Context(), &encoderv1.EmbedFacesRequest{Photos: []*mediav1.Picture{lost}}))
		}, faultv1.Reason_REASON_BLOB_MISSING, "photos[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.call()
			if f := fault.From(err); err == nil || f.Reason != test.want || !strings.HasPrefix(f.Field, test.field) {
				t.Errorf("got %+v, want %v at %s", f, test.want, test.field)
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// hugePNG claims 40,000 x 40,000 pixels in its header.
func hugePNG(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	data := out.Bytes()
	return resizedHeader(data, 40_000)
}

// resizedHeader changes the size in a PNG's header, with its checksum.
func resizedHeader(data []byte, side uint32) []byte {
	data = bytes.Clone(data)
	binary.BigEndian.PutUint32(data[16:], side)
	binary.BigEndian.PutUint32(data[20:], side)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}
