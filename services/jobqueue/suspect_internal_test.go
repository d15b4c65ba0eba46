package jobqueue

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
)

func TestSuspectsAreHeldOneAtATime(t *testing.T) {
	f := newFloor(t, Fairness{})
	for id, losses := range map[string]uint64{"a": 0, "b": apartFrom, "c": apartFrom, "d": apartFrom - 1} {
		f.write(RecordKey{"ada", id}, &jobqueuev1.Record{
			Class: Interactive, CreateTime: timestamppb.New(f.now), Lease: &jobqueuev1.Lease{Attempt: losses, Losses: losses},
		})
	}
	var held []string
	for {
		key, ok, wake := f.l.next(f.now)
		if !ok {
			if !wake.IsZero() {
				t.Errorf("it is due at %v", wake)
			}
			break
		}
		f.l.hold(key, 9, f.now)
		held = append(held, key.ID)
	}
	if fmt.Sprint(held) != "[a b d]" {
		t.Fatalf("held %v", held)
	}
	f.l.letGo(RecordKey{"ada", "b"}, true, f.now)
	if key, ok, _ := f.l.next(f.now); !ok || key.ID != "c" {
		t.Errorf("then %v, %v", key, ok)
	}
}
