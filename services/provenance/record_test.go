package provenance_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/imaging"
	"github.com/facestudio/facestudio/services/provenance"
)

func encoded(tb testing.TB) map[string][]byte {
	tb.Helper()
	p := imaging.NewRGB(33, 32)
	out := map[string][]byte{}
	var err error
	if out["PNG"], err = imaging.EncodePNG(p, nil); err != nil {
		tb.Fatal(err)
	}
	if out["JPEG"], err = imaging.EncodeJPEG(p, 90); err != nil {
		tb.Fatal(err)
	}
	if out["WebP"], err = imaging.EncodeWebP(p); err != nil {
		tb.Fatal(err)
	}
	return out
}

func inline(text string) *mediav1.Picture {
	return &mediav1.Picture{Source: &mediav1.Picture_Data{Data: []byte(text)}}
}

func generation() *gatewayv1.Generation {
	return &gatewayv1.Generation{
		Name: "generations/7", Bundle: "b00d1e", State: gatewayv1.State_STATE_RUNNING,
		Subjects: []*gatewayv1.GenerationSubject{
			{Name: "ada", Photos: []*mediav1.Picture{inline("one"), inline("two")}},
			{Mix: []*gatewayv1.MixPart{
				{Name: "bob", Photos: []*mediav1.Picture{inline("three")}, Weight: 1},
				{Subject: "subjects/eve", Weight: 3},
			}, At: &gatewayv1.Placement{Where: &gatewayv1.Placement_Mask{Mask: inline("mask")}}},
		},
		Style: inline("style"), Prompt: `a <b> & "c" ]]> Grüße`, Seed: new(uint64(1<<64 - 1)),
		Labels: map[string]string{"order": "12"}, PictureCount: new(int32(4)), BestOf: new(int32(2)),
	}
}

func record(t *testing.T) provenance.Record {
	t.Helper()
	request, err := provenance.Request(generation())
	if err != nil {
		t.Fatal(err)
	}
	return provenance.Record{
		Request: request, Index: 3, NoiseVersion: "noise/1",
		Bundle: provenance.Bundle{Name: "tiny", Version: "1.0.0", Digest: "b00d1e"}, Source: provenance.Trained,
	}
}

func TestRecordsComeBack(t *testing.T) {
	want := record(t)
	for format, plain := range encoded(t) {
		t.Run(format, func(t *testing.T) {
			signed, err := provenance.Sign(plain, want)
			if err != nil {
				t.Fatal(err)
			}
			again, err := provenance.Sign(plain, record(t))
			if err != nil || !bytes.Equal(signed, again) {
				t.Errorf("equal records have other bytes, %v", err)
			}
			got, err := provenance.Read(signed)
			if err != nil {
				t.Fatal(err)
			}
			if got.Format != provenance.Format || got.Index != 3 || got.NoiseVersion != want.NoiseVersion ||
				got.Bundle != want.Bundle || got.Source != want.Source || !bytes.Equal(got.Request, want.Request) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if !bytes.Contains(signed, []byte("<Iptc4xmpExt:DigitalSourceType>"+provenance.Trained)) {
				t.Error("it does not say that it is synthetic")
			}
			for _, secret := range []string{"ada", "bob", "order", "generations/7"} {
				if bytes.Contains(signed, []byte(secret)) {
					t.Errorf("it tells %q", secret)
				}
			}
			if _, err := provenance.Read(plain); !fault.Is(err, faultv1.Reason_REASON_UNSUPPORTED_IMAGE) {
				t.Errorf("a picture without a record: %v", err)
			}
		})
	}
}

func TestTheLargestRequestFitsEveryFormat(t *testing.T) {
	g := &gatewayv1.Generation{Seed: new(uint64(1)), Prompt: strings.Repeat("&", 2000), Style: inline("style")}
	for range 8 {
		s := &gatewayv1.GenerationSubject{At: &gatewayv1.Placement{Where: &gatewayv1.Placement_Mask{Mask: inline("mask")}}}
		for range 32 {
			s.Photos = append(s.Photos, inline("photo"))
		}
		g.Subjects = append(g.Subjects, s)
	}
	request, err := provenance.Request(g)
	if err != nil {
		t.Fatal(err)
	}
	for format, plain := range encoded(t) {
		if _, err := provenance.Sign(plain, provenance.Record{Request: request, Source: provenance.Trained}); err != nil {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestAGenerationComesBack(t *testing.T) {
	r := record(t)
	got, err := r.Generation()
	if err != nil {
		t.Fatal(err)
	}
	want := generation()
	want.Name, want.Bundle, want.State, want.Labels, want.PictureCount, want.BestOf = "", "", 0, nil, nil, nil
	want.Subjects[0].Name, want.Subjects[1].Mix[0].Name = "", ""
	var paths []string
	err = provenance.Pictures(want, func(path string, p *mediav1.Picture) error {
		paths = append(paths, path)
		p.Source = &mediav1.Picture_Blob{Blob: &mediav1.Blob{Sha256: provenance.Digest(p.GetData())}}
		return nil
	})
	if err != nil || !proto.Equal(got, want) {
		t.Errorf("got %v, want %v, %v", got, want, err)
	}
	if want := []string{
		"subjects[0].photos[0]", "subjects[0].photos[1]", "subjects[1].mix[0].photos[0]", "subjects[1].at.mask", "style",
	}; !slices.Equal(paths, want) {
		t.Errorf("paths %q", paths)
	}
	again, err := provenance.Request(got)
	if err != nil || !bytes.Equal(again, r.Request) {
		t.Errorf("the request of the record's generation is %s, want %s, %v", again, r.Request, err)
	}
}

// What a generation may ask for is either in the record or known not to matter:
// a field that is added must be looked at.
func TestEveryFieldIsRecordedOrImmaterial(t *testing.T) {
	recorded := strings.Fields("subjects style prompt alpha seed steps guidance_scale width height background sampler karras_sigmas strength in_place output_format refine_faces corrections")
	immaterial := strings.Fields("name picture_count first_index preview_every timeout labels best_of min_similarity max_tries webhook_url")
	fields := new(gatewayv1.Generation).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		known := slices.Contains(recorded, string(f.Name())) || slices.Contains(immaterial, string(f.Name()))
		if output := f.Number() >= 32; known == output {
			t.Errorf("%s: decide whether the pixels depend on it", f.Name())
		}
	}
}

func TestRecordsThatCannotBeRead(t *testing.T) {
	plain := encoded(t)["PNG"]
	with := func(body string) []byte {
		data, err := imaging.WithXMP(plain, []byte(
			`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">`+
				`<rdf:Description xmlns:f="https://github.com/facestudio/facestudio/ns/record/1/"`+body+`</rdf:RDF></x:xmpmeta>`))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"no picture":         {[]byte("no picture"), "no record"},
		"no XML":             {with(`><f:Record>`), "damaged"},
		"another's metadata": {with(`></rdf:Description>`), "no record of FaceStudio"},
		"no JSON":            {with(`><f:Record>{</f:Record></rdf:Description>`), "damaged"},
		"another format":     {with(`><f:Record>{"format":9}</f:Record></rdf:Description>`), "format 9"},
		"deep":               {with(`>` + strings.Repeat("<f:Record>", 100) + `</rdf:Description>`), "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := provenance.Read(c.data)
			if !fault.Is(err, faultv1.Reason_REASON_UNSUPPORTED_IMAGE) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
	// Programs that rewrite metadata may make an attribute of it.
	got, err := provenance.Read(with(` f:Record='{"format":1,"index":5,"request":{}}'></rdf:Description>`))
	if err != nil || got.Index != 5 {
		t.Errorf("as an attribute: %+v, %v", got, err)
	}
	if _, err := got.Generation(); !fault.Is(err, faultv1.Reason_REASON_UNSUPPORTED_IMAGE) {
		t.Errorf("a request of nobody: %v", err)
	}
	got.Request = json.RawMessage(`{"subjects":7}`)
	if _, err := got.Generation(); !fault.Is(err, faultv1.Reason_REASON_UNSUPPORTED_IMAGE) {
		t.Errorf("a request that is none: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	plain := encoded(f)["PNG"]
	f.Add([]byte(`<x><rdf:Description xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:f="https://github.com/facestudio/facestudio/ns/record/1/"><f:Record>{"format":1,"request":{"seed":"7","subjects":[{"photos":[{"blob":{"sha256":"aa"}}]}]}}</f:Record></rdf:Description></x>`))
	f.Add([]byte(`<?xpacket begin=""?><x/>`))
	f.Fuzz(func(t *testing.T, packet []byte) {
		data, err := imaging.WithXMP(plain, packet)
		if err != nil {
			t.Fatal(err)
		}
		r, err := provenance.Read(data)
		if err == nil {
			_, err = r.Generation()
		}
		if err != nil && fault.From(err).Kind != fault.Invalid {
			t.Errorf("not the caller's fault: %v", err)
		}
	})
}

func TestForget(t *testing.T) {
	for name, picture := range encoded(t) {
		t.Run(name, func(t *testing.T) {
			r := record(t)
			r.Source = provenance.Composite
			signed, err := provenance.Sign(picture, r)
			if err != nil {
				t.Fatal(err)
			}
			got := provenance.Forget(signed)
			for _, gone := range []string{"Grüße", "subjects/eve", "facestudio:Record", r.Bundle.Digest} {
				if gone != "" && bytes.Contains(got, []byte(gone)) {
					t.Errorf("%q is in it", gone)
				}
			}
			xmp, ok := imaging.XMP(got)
			if !ok || !bytes.Contains(xmp, []byte(provenance.Composite)) || !bytes.HasSuffix(xmp, []byte(`<?xpacket end="r"?>`)) {
				t.Errorf("its metadata is %q", xmp)
			}
			want, err := imaging.Decode(signed, imaging.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			shown, err := imaging.Decode(got, imaging.Limits{})
			if err != nil || !slices.Equal(shown.Pix, want.Pix) {
				t.Errorf("it shows something else: %v", err)
			}
			if again := provenance.Forget(got); !bytes.Equal(again, got) {
				t.Error("the second time it changes")
			}
			if plain := provenance.Forget(picture); !bytes.Equal(plain, picture) {
				t.Error("a picture without a record is changed")
			}
		})
	}
}
