package e2e_test

import (
	"bytes"
	"strings"
	"syscall"
	"testing"

	gatewayv1 "github.com/facestudio/facestudio/proto/gen/facestudio/gateway/v1"
	"github.com/facestudio/facestudio/services/testkit/scratch"
)

// fifty is how many generations are accepted before the lights go out.
const fifty = 50

// blackout kills every program and the NATS server at once, as kill -9 does, and
// starts all of them again where they were.
func (s *separate) blackout() {
	s.t.Helper()
	everything := []*process{s.nats}
	for _, name := range programs {
		everything = append(everything, s.parts[name])
	}
	for _, p := range everything {
		p.signal(syscall.SIGKILL)
	}
	for _, p := range everything {
		<-p.ended
	}
	s.startNATS(strings.TrimPrefix(s.nats.listen, "nats://"))
	for _, name := range programs {
		s.start(name)
	}
}

// Everything is killed while fifty generations wait and run. All of them end, with
// the pictures that are made when nothing happens.
func TestABlackoutLosesNothing(t *testing.T) {
	conn, stop := inOneProcess(t, scratch.Dir(t))
	calm := gatewayv1.NewGenerationServiceClient(conn)
	want := manyPictures(t, calm, create(t, calm))
	stop()

	mesh := inSeparateProcesses(t)
	client := mesh.client()
	names := create(t, client)
	var states map[gatewayv1.State]int
	for states[gatewayv1.State_STATE_RUNNING] == 0 {
		if states = census(t, client, names); states[gatewayv1.State_STATE_SUCCEEDED] == fifty {
			t.Fatal("all have ended before anything happened")
		}
	}
	mesh.blackout()
	t.Logf("the lights went out over %v", states)
	for i, got := range manyPictures(t, client, names) {
		if len(got) != 1 || !bytes.Equal(got[0], want[i][0]) {
			t.Errorf("generation %d has another picture than undisturbed", i+1)
		}
	}
	listed, err := client.ListGenerations(t.Context(), &gatewayv1.ListGenerationsRequest{PageSize: 2 * fifty})
	if err != nil || len(listed.GetGenerations()) != fifty {
		t.Errorf("%d generations are listed of %d, %v", len(listed.GetGenerations()), fifty, err)
	}
}

// create has fifty generations accepted, each different from the others.
func create(t *testing.T, client gatewayv1.GenerationServiceClient) []string {
	t.Helper()
	names := make([]string, fifty)
	for i := range names {
		created, err := client.CreateGeneration(t.Context(), &gatewayv1.CreateGenerationRequest{Generation: numbered(t, uint64(i+1))})
		if err != nil {
			t.Fatalf("create generation %d: %v", i+1, err)
		}
		names[i] = created.GetName()
	}
	return names
}

// census counts the states of generations.
func census(t *testing.T, client gatewayv1.GenerationServiceClient, names []string) map[gatewayv1.State]int {
	t.Helper()
	states := map[gatewayv1.State]int{}
	for _, name := range names {
		g, err := client.GetGeneration(t.Context(), &gatewayv1.GetGenerationRequest{Name: name})
		if err != nil {
			t.Fatalf("get %s: %v", name, err)
		}
		states[g.GetState()]++
	}
	return states
}

// manyPictures follows generations to their end and returns the pictures of each.
func manyPictures(t *testing.T, client gatewayv1.GenerationServiceClient, names []string) [][][]byte {
	t.Helper()
	all := make([][][]byte, len(names))
	for i, name := range names {
		all[i] = fetch(t, client, await(t, client, name, nil))
	}
	return all
}
