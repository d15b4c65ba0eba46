package fault_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
)

func TestOtherFieldsCrossAStatus(t *testing.T) {
	f := fault.New(fault.Invalid, faultv1.Reason_REASON_NO_FACE_FOUND, "photos[0]", "no face: send another photo")
	f.Others = []*faultv1.Fault{
		{Reason: faultv1.Reason_REASON_FACE_BLURRED, Field: "photos[1]", Message: "it is blurred: send a sharper one"},
		{Reason: faultv1.Reason_REASON_FACE_TOO_DARK, Field: "photos[2]", Message: "it is dark: send a brighter one"},
	}
	got := fault.From(fault.ToStatus(f).Err())
	if got.Reason != f.Reason || got.Field != f.Field || len(got.Others) != len(f.Others) {
		t.Fatalf("got %+v", got)
	}
	for i, o := range got.Others {
		if !proto.Equal(o, f.Others[i]) {
			t.Errorf("other %d is %v", i, o)
		}
	}
	if alone := fault.From(fault.ToStatus(fault.InvalidField("alpha", "it is wrong")).Err()); len(alone.Others) != 0 {
		t.Errorf("others of one field: %v", alone.Others)
	}
}
