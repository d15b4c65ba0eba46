package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/facestudio/facestudio/proto/gen/facestudio/admin/v1"
	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	mediav1 "github.com/facestudio/facestudio/proto/gen/facestudio/media/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/wire"
)

func encoded(t *testing.T, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCheck(t *testing.T) {
	many := make([]*gatewayv1.GenerationSubject, wire.MaxElements)
	texts := make([]string, wire.MaxElements+1)
	tests := []struct {
		name string
		data []byte
		of   proto.Message
		ok   bool
	}{
		{"nothing", nil, &gatewayv1.Generation{}, true},
		{"a picture", encoded(t, &gatewayv1.Generation{Style: &mediav1.Picture{
			Source: &mediav1.Picture_Data{Data: make([]byte, 8<<20)},
		}}), &gatewayv1.Generation{}, true},
		{"no picture could be in it", encoded(t, &gatewayv1.GetGenerationRequest{Name: strings.Repeat("a", wire.MaxPlain)}), &gatewayv1.GetGenerationRequest{}, false},
		{"as many as may be", encoded(t, &gatewayv1.Generation{Subjects: many}), &gatewayv1.Generation{}, true},
		{"one more", encoded(t, &gatewayv1.Generation{Subjects: many, Style: &mediav1.Picture{}}), &gatewayv1.Generation{}, false},
		{"many texts", encoded(t, &adminv1.CreateKeyRequest{Scopes: texts}), &adminv1.CreateKeyRequest{}, false},
		{"many of what nobody knows", bytes.Repeat([]byte{0xfa, 0x7f, 0x00}, 1<<18), &gatewayv1.Generation{}, true},
		{"no message", []byte{0x0a, 0xff}, &gatewayv1.Generation{}, true},
		{"no message inside", []byte{0x12, 0x02, 0x0a, 0xff}, &gatewayv1.Generation{}, true},
		{"an empty tag", []byte{0x00}, &gatewayv1.Generation{}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := wire.Check(test.data, test.of.ProtoReflect().Descriptor())
			if (err == nil) != test.ok || err != nil && !fault.Is(err, faultv1.Reason_REASON_INVALID_FIELD) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHasBytes(t *testing.T) {
	for m, want := range map[proto.Message]bool{
		&gatewayv1.CreateGenerationRequest{}: true, &gatewayv1.AppendUploadRequest{}: true,
		&gatewayv1.ListGenerationsRequest{}: false, &gatewayv1.DeleteSubjectRequest{}: false,
	} {
		for range 2 { // the second time it is remembered
			if got := wire.HasBytes(m.ProtoReflect().Descriptor()); got != want {
				t.Errorf("%T: got %v", m, got)
			}
		}
	}
}
