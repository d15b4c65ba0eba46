package jobqueue

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	encoderv1 "github.com/facestudio/facestudio/proto/gen/facestudio/encoder/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	priorv1 "github.com/facestudio/facestudio/proto/gen/facestudio/prior/v1"
	segmenterv1 "github.com/facestudio/facestudio/proto/gen/facestudio/segmenter/v1"
)

// Keys must be the same in every version of every program: work in flight and
// results are found by them. The values come from a second implementation of the
// encoding, and may only change with a key_rule's version.
func TestKeysAreStable(t *testing.T) {
	secret := []byte(strings.Repeat("s", secretSize))
	for name, c := range map[string]struct {
		method  string
		call    Call
		request proto.Message
		want    string
	}{
		"owned": {
			"/facestudio.prior.v1.PriorService/EmbedImage", Call{Tenant: "ada", Owner: "generations/1/prior/0"},
			&priorv1.EmbedImageRequest{}, "oZHl3d5ZehuQd-p4xtMy6jt4rIE5Uc8fF7mRf88wOsbk",
		},
		"content": {
			"/facestudio.segmenter.v1.SegmenterService/SegmentPeople", Call{Tenant: "ada"},
			&segmenterv1.SegmentPeopleRequest{
				Picture: &mediav1.Picture{Source: &mediav1.Picture_Blob{Blob: &mediav1.Blob{Sha256: "ab", Size: 3, MediaType: "image/png"}}},
				Faces:   []*mediav1.Box{{X: 1.5, Y: -2, Width: 3, Height: 4}, {}}, Width: 128,
			}, "c3ruxW9tYnCYWwuDGTSMxME0SMfzwr1bbivdD3GSMPWo",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := lookupRule(c.method)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.key(secret, c.call, "b0b0b0b0b0b0", c.request)
			if err != nil || got != c.want || !validToken(got) {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

func TestContentKeysTellWhatMattersApart(t *testing.T) {
	secret := []byte(strings.Repeat("s", secretSize))
	r, err := lookupRule("/facestudio.encoder.v1.EncoderService/EmbedTexts")
	if err != nil {
		t.Fatal(err)
	}
	key := func(secret []byte, tenant, bundle string, texts ...string) string {
		k, err := r.key(secret, Call{Tenant: tenant, Owner: tenant + bundle, Class: Batch}, bundle, &encoderv1.EmbedTextsRequest{Bundle: "any", Texts: texts})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	seen := map[string]string{}
	for name, k := range map[string]string{
		"base":         key(secret, "ada", "b", "x", "yz"),
		"split":        key(secret, "ada", "b", "xy", "z"),
		"order":        key(secret, "ada", "b", "yz", "x"),
		"empty":        key(secret, "ada", "b"),
		"one empty":    key(secret, "ada", "b", ""),
		"tenant":       key(secret, "bob", "b", "x", "yz"),
		"bundle":       key(secret, "ada", "c", "x", "yz"),
		"installation": key([]byte(strings.Repeat("t", secretSize)), "ada", "b", "x", "yz"),
	} {
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[k] = name
	}
	// Neither the owner nor the class is part of it, nor a field that is not listed.
	same, err := r.key(secret, Call{Tenant: "ada", Owner: "else"}, "b", &encoderv1.EmbedTextsRequest{Texts: []string{"x", "yz"}})
	if err != nil || seen[same] != "base" {
		t.Errorf("got %s, %v", same, err)
	}
}

func TestCanonicalSeesEveryKindOfField(t *testing.T) {
	sum := func(m proto.Message, path string) string {
		h := sha256.New()
		if err := (canonical{h}).path(m.ProtoReflect(), path); err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	base := func() *gatewayv1.CreateGenerationRequest {
		return &gatewayv1.CreateGenerationRequest{Generation: &gatewayv1.Generation{
			Labels: map[string]string{"a": "1", "b": "2"}, Subjects: []*gatewayv1.GenerationSubject{{Name: "ada"}},
		}}
	}
	want := sum(base(), "generation")
	for range 20 {
		if got := sum(base(), "generation"); got != want {
			t.Fatal("equal messages have different sums")
		}
	}
	for name, change := range map[string]func(*gatewayv1.Generation){
		"string":        func(g *gatewayv1.Generation) { g.Prompt = "p" },
		"optional zero": func(g *gatewayv1.Generation) { g.Alpha = proto.Float32(0) },
		"float":         func(g *gatewayv1.Generation) { g.Alpha = proto.Float32(0.5) },
		"unsigned":      func(g *gatewayv1.Generation) { g.Seed = proto.Uint64(7) },
		"signed":        func(g *gatewayv1.Generation) { g.PreviewEvery = -1 },
		"enum":          func(g *gatewayv1.Generation) { g.State = gatewayv1.State_STATE_RUNNING },
		"map value":     func(g *gatewayv1.Generation) { g.Labels["b"] = "3" },
		"map key":       func(g *gatewayv1.Generation) { g.Labels["c"] = "2" },
		"bytes": func(g *gatewayv1.Generation) {
			g.Style = &mediav1.Picture{Source: &mediav1.Picture_Data{Data: []byte("d")}}
		},
		"empty message":    func(g *gatewayv1.Generation) { g.Style = &mediav1.Picture{} },
		"list":             func(g *gatewayv1.Generation) { g.Subjects = append(g.Subjects, &gatewayv1.GenerationSubject{}) },
		"inside a message": func(g *gatewayv1.Generation) { g.Subjects[0].Name = "adb" },
		"bool": func(g *gatewayv1.Generation) {
			g.PhotoVerdicts = []*gatewayv1.PhotoVerdict{{Used: true}}
		},
	} {
		m := base()
		change(m.GetGeneration())
		if sum(m, "generation") == want {
			t.Errorf("%s makes no difference", name)
		}
	}
	if sum(base(), "generation.prompt") != sum(&gatewayv1.CreateGenerationRequest{}, "generation.prompt") {
		t.Error("an unset field inside an unset message differs from one inside a set one")
	}
	for _, path := range []string{"nothing", "generation.nothing", "request_id.x", "generation.subjects.name"} {
		if err := (canonical{sha256.New()}).path(base().ProtoReflect(), path); err == nil {
			t.Errorf("path %s was found", path)
		}
	}
}

// Every method that says how its calls are told apart can be called.
func TestAllRulesOfTheContractHold(t *testing.T) {
	for _, file := range []protoreflect.FileDescriptor{
		encoderv1.File_facestudio_encoder_v1_encoder_proto, priorv1.File_facestudio_prior_v1_prior_proto,
		segmenterv1.File_facestudio_segmenter_v1_segmenter_proto,
	} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				method := service.Methods().Get(j)
				r, err := lookupRule("/" + string(service.FullName()) + "/" + string(method.Name()))
				if err != nil {
					t.Error(err)
					continue
				}
				for _, path := range r.content.GetFields() {
					if err := (canonical{sha256.New()}).path(dynamicpb.NewMessage(method.Input()), path); err != nil {
						t.Errorf("%s: %v", method.FullName(), err)
					}
				}
			}
		}
	}
}
