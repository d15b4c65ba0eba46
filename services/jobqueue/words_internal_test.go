package jobqueue

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

// ring is a call of the backend's queue, and the worker that it has.
type ring struct {
	*realBackend
	t *testing.T
}

// newRing opens a queue whose callers rely on words, if relying, and never look by
// themselves while a test lasts, unless recheck says so.
func newRing(t *testing.T, relying bool, recheck time.Duration) ring {
	t.Helper()
	b := newRealBackend(t)
	b.q.settings.Recheck = recheck
	if relying {
		b.q.words.crews[b.at("").crew()] = hearing{told: true}
	}
	return ring{b, t}
}

// answer is what a call ended with.
type answer struct {
	result *recorded
	err    error
}

func (r ring) call(ctx context.Context, key string, first bool) <-chan answer {
	w := work{
		address: r.at(key), method: "/m", deadline: time.Now().Add(time.Hour), scope: seal.Shared(r.at(key).tenant),
		request: []byte("r"), first: first,
	}
	out := make(chan answer, 1)
	go func() {
		result, err := r.q.await(ctx, rule{method: w.method, stage: w.stage}, w, nil)
		out <- answer{result, err}
	}()
	return out
}

// earOf waits until the work is in the queue and returns where its call listens.
func (r ring) earOf(key string) ear {
	r.t.Helper()
	for {
		msg, err := r.q.work.GetLastMsgForSubject(r.t.Context(), r.at(key).work())
		if err == nil {
			e, ok := parseEar(msg.Header.Get(headerCaller))
			if !ok {
				r.t.Fatalf("the work says %q", msg.Header.Get(headerCaller))
			}
			return e
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			r.t.Fatal(err)
		}
		r.pass(time.Millisecond)
	}
}

func (r ring) wants(from <-chan answer, code codes.Code) {
	r.t.Helper()
	select {
	case a := <-from:
		if a.err != nil || a.result.code() != code {
			r.t.Errorf("got %v, %v; want %v", a.result, a.err, code)
		}
	case <-time.After(time.Minute):
		r.t.Fatal("the call does not end")
	}
}

// settle does what a worker does with the next message; mute, it gives no word.
func (r ring) settle(key string, code codes.Code, mute bool) {
	r.t.Helper()
	to := r.earOf(key)
	if got, _ := r.fetch(); got != key {
		r.t.Fatalf("fetched %q", got)
	}
	r.record(key, code, to, mute)
	r.ack()
}

func (r ring) record(key string, code codes.Code, to ear, mute bool) {
	r.t.Helper()
	at := r.at(key)
	told, err := r.q.create(r.t.Context(), at, seal.Shared(at.tenant), &jobqueuev1.Result{Code: int32(code)}, time.Hour)
	if err != nil || told == nil {
		r.t.Fatalf("got %v, %v", told, err)
	}
	if !mute {
		r.q.say(to, told)
	}
}

const never = time.Hour

func TestACallIsToldByAWord(t *testing.T) {
	r := newRing(t, true, never)
	for _, first := range []bool{false, true} {
		key := map[bool]string{true: "a", false: "b"}[first]
		call := r.call(t.Context(), key, first)
		r.settle(key, codes.OK, false)
		r.wants(call, codes.OK)
	}
	if n := len(r.q.words.calls); n != 0 {
		t.Errorf("%d calls are not forgotten", n)
	}
}

// Workers of an earlier version give no words: the calls before the first word listen to
// what everybody is told.
func TestCallsOfOlderWorkersAreAnswered(t *testing.T) {
	r := newRing(t, false, never)
	call := r.call(t.Context(), "a", true)
	r.settle("a", codes.OK, true)
	r.wants(call, codes.OK)
	if r.q.words.crews[r.at("").crew()].relies(time.Now()) {
		t.Error("the next call relies on words that nobody gives")
	}
	// One word later, they are content with words.
	call = r.call(t.Context(), "b", true)
	r.settle("b", codes.OK, false)
	r.wants(call, codes.OK)
	for !r.relies() {
		r.pass(time.Millisecond)
	}
}

func (r ring) relies() bool {
	r.q.words.mu.Lock()
	defer r.q.words.mu.Unlock()
	return r.q.words.crews[r.at("").crew()].relies(time.Now())
}

// A word that is lost costs the call that waits for it one look, and has the next ones
// listen to what everybody is told.
func TestALostWord(t *testing.T) {
	r := newRing(t, true, time.Second)
	for n := 0; r.relies(); n++ {
		key := strconv.Itoa(n)
		call := r.call(t.Context(), key, false)
		// On a busy machine the call may look before this, and hear of it otherwise.
		r.settle(key, codes.OK, true)
		r.wants(call, codes.OK)
	}
	r.q.settings.Recheck = never
	call := r.call(t.Context(), "a", false)
	r.settle("a", codes.OK, true)
	r.wants(call, codes.OK)
}

func TestWordsThatAreNone(t *testing.T) {
	at := address{"prior", "b", Interactive, "t", "a"}
	for name, forge := range map[string]func(*testing.T, ring, ear){
		"no word at all": func(t *testing.T, r ring, to ear) {
			t.Helper()
			r.must(r.q.nc.Publish(to.subject(), []byte{0xff, 0xff}))
		},
		"nothing": func(t *testing.T, r ring, to ear) {
			t.Helper()
			r.must(r.q.nc.Publish(to.subject(), nil))
		},
		"look, though there is nothing": func(_ *testing.T, r ring, to ear) { r.q.say(to, &jobqueuev1.Word{}) },
		"no outcome": func(_ *testing.T, r ring, to ear) {
			r.q.say(to, &jobqueuev1.Word{Outcome: []byte("forged"), Revision: 1 << 40})
		},
		"of another tenant": func(t *testing.T, r ring, to ear) {
			t.Helper()
			r.q.say(to, &jobqueuev1.Word{Outcome: r.sealed("other", at), Revision: 1 << 40})
		},
		"of another call": func(t *testing.T, r ring, to ear) {
			t.Helper()
			other := at
			other.key = "z"
			r.q.say(to, &jobqueuev1.Word{Outcome: r.sealed(at.tenant, other), Revision: 1 << 40})
		},
		"for a call that ended": func(_ *testing.T, r ring, to ear) {
			r.q.say(ear{to.process, to.call + 1000}, &jobqueuev1.Word{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRing(t, true, never)
			call := r.call(t.Context(), at.key, false)
			forge(t, r, r.earOf(at.key))
			r.settle(at.key, codes.NotFound, false)
			r.wants(call, codes.NotFound)
		})
	}
}

// sealed is the outcome OK of a call, sealed for a tenant.
func (r ring) sealed(tenant string, at address) []byte {
	r.t.Helper()
	plain, err := proto.Marshal(&jobqueuev1.Result{})
	r.must(err)
	sealed, err := r.q.seals.Seal(r.t.Context(), seal.Shared(tenant), at.resultPlace(), plain)
	r.must(err)
	return sealed
}

func TestAWordMayComeTwiceAndBeforeTheCallWaits(t *testing.T) {
	r := newRing(t, true, never)
	heard := make(chan told, endings)
	to, relies, err := r.q.words.expect(r.at("a").crew(), heard)
	if err != nil || !relies {
		t.Fatalf("got %v, %v", relies, err)
	}
	word := &jobqueuev1.Word{Outcome: r.sealed("t", r.at("a")), Revision: 7}
	for range 2 * endings {
		r.q.say(to, word)
	}
	r.must(r.q.nc.Flush())
	for range 2 {
		if got := <-heard; !got.word || got.revision != 7 || got.gone {
			t.Errorf("got %+v", got)
		}
	}
	r.q.words.forget(to)
	r.q.say(to, word)
	r.must(r.q.nc.Flush())
}

// join makes a second call of work that is in the queue, and waits until that listens.
func (r ring) join(ctx context.Context, key string) <-chan answer {
	r.t.Helper()
	before := r.q.nc.NumSubscriptions()
	joined := r.call(ctx, key, false)
	for r.q.nc.NumSubscriptions() == before {
		r.pass(time.Millisecond)
	}
	return joined
}

// Who joined is told by the server, also when the one who published has left.
func TestJoinedCallsAreTold(t *testing.T) {
	r := newRing(t, true, never)
	leaving, leave := context.WithCancelCause(t.Context())
	gone := r.call(leaving, "a", false)
	publisher := r.earOf("a")
	joined := r.join(t.Context(), "a")
	leave(ErrShutdown)
	<-gone
	if got, _ := r.fetch(); got != "a" {
		t.Fatalf("fetched %q", got)
	}
	r.record("a", codes.OK, publisher, false)
	r.ack()
	r.wants(joined, codes.OK)
}

// Who joined may cancel the owner's work while no worker has it: who published is told.
func TestACancelOfWhoJoinedIsTold(t *testing.T) {
	r := newRing(t, true, never)
	publisher := r.call(t.Context(), "a", true)
	r.earOf("a")
	leaving, leave := context.WithCancel(t.Context())
	defer leave()
	joined := r.join(leaving, "a")
	leave()
	if a := <-joined; status.Code(a.err) != codes.Canceled && fault.ToStatus(a.err).Code() != codes.Canceled {
		t.Errorf("who cancelled got %v", a.err)
	}
	r.wants(publisher, codes.Canceled)
	if r.present("a") {
		t.Error("the work is still in the queue")
	}
}
