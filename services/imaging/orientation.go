package imaging

import (
	"bytes"

	"github.com/bep/imagemeta"
)

// orientation is the EXIF tag: 1 upright, 2 mirrored, 3 turned by 180 degrees,
// 4 mirrored and turned, 5..8 with the axes exchanged. 0 counts as 1.
type orientation uint16

// readOrientation looks for the tag. Damaged metadata does not spoil a picture
// whose pixels are whole: it counts as upright.
func readOrientation(data []byte, kind format) orientation {
	found := orientation(1)
	if kind.meta == noMeta {
		return found
	}
	wanted := func(tag imagemeta.TagInfo) bool { return tag.Tag == "Orientation" && tag.Namespace == "IFD0" }
	_, err := safely(func() (struct{}, error) {
		_, err := imagemeta.Decode(imagemeta.Options{
			R: bytes.NewReader(data), ImageFormat: kind.meta, Sources: imagemeta.EXIF,
			ShouldHandleTag: wanted,
			HandleTag: func(tag imagemeta.TagInfo) error {
				if v, ok := tag.Value.(uint16); ok && wanted(tag) {
					found = orientation(v)
				}
				return nil
			},
		})
		return struct{}{}, err
	})
	if err != nil || found < 1 || found > 8 {
		return 1
	}
	return found
}

func (o orientation) rgb(p *RGB) *RGB {
	if o <= 1 {
		return p
	}
	w, h := o.size(p.W, p.H)
	return &RGB{W: w, H: h, Pix: o.turn(p.Pix, p.W, p.H, 3)}
}

func (o orientation) gray(p *Gray) *Gray {
	if o <= 1 {
		return p
	}
	w, h := o.size(p.W, p.H)
	return &Gray{W: w, H: h, Pix: o.turn(p.Pix, p.W, p.H, 1)}
}

func (o orientation) size(w, h int) (int, int) {
	if o >= 5 {
		return h, w
	}
	return w, h
}

// turn returns the upright pixels of a stored w x h picture.
func (o orientation) turn(pix []uint8, w, h, channels int) []uint8 {
	out := make([]uint8, len(pix))
	ow, oh := o.size(w, h)
	for y := range oh {
		for x := range ow {
			sx, sy := x, y
			switch o {
			case 2:
				sx = w - 1 - x
			case 3:
				sx, sy = w-1-x, h-1-y
			case 4:
				sy = h - 1 - y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, h-1-x
			case 7:
				sx, sy = w-1-y, h-1-x
			case 8:
				sx, sy = w-1-y, x
			}
			copy(out[(y*ow+x)*channels:][:channels], pix[(sy*w+sx)*channels:])
		}
	}
	return out
}
