package jobqueue

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	jobqueuev1 "github.com/facestudio/facestudio/proto/gen/facestudio/jobqueue/v1"
	"github.com/facestudio/facestudio/services/fault"
)

// floor is records in a ledger and a clock, without a server: each claim takes a
// second.
type floor struct {
	t        *testing.T
	l        *ledger
	now      time.Time
	revision uint64
	records  map[RecordKey]*jobqueuev1.Record
	drawn    int
}

func newFloor(t *testing.T, f Fairness) *floor {
	t.Helper()
	return &floor{t: t, l: newLedger(f, "ours"), now: time.Unix(1_000_000, 0), records: map[RecordKey]*jobqueuev1.Record{}}
}

func (f *floor) write(key RecordKey, r *jobqueuev1.Record) {
	f.revision++
	f.records[key] = r
	f.l.observe(key, r, f.revision, f.now)
}

func (f *floor) create(tenant, class string, n int) {
	for range n {
		f.drawn++
		f.write(RecordKey{tenant, fmt.Sprintf("%06d", f.drawn)}, &jobqueuev1.Record{
			Class: class, CreateTime: timestamppb.New(f.now), Lease: &jobqueuev1.Lease{},
		})
	}
}

func (f *floor) claim() (RecordKey, bool) {
	key, ok, _ := f.l.next(f.now)
	if ok {
		f.write(key, &jobqueuev1.Record{
			Class: f.records[key].GetClass(), CreateTime: f.records[key].GetCreateTime(),
			Lease: &jobqueuev1.Lease{Holder: "h", DurationMs: 3_600_000, Attempt: f.records[key].GetLease().GetAttempt() + 1},
		})
	}
	return key, ok
}

func (f *floor) end(key RecordKey) {
	f.write(key, &jobqueuev1.Record{Terminal: true})
	delete(f.records, key)
}

// serve claims and ends n records one after the other and counts them by tenant.
func (f *floor) serve(n int) map[string]int {
	f.t.Helper()
	count := map[string]int{}
	for range n {
		key, ok := f.claim()
		if !ok {
			f.t.Fatal("nothing to claim")
		}
		f.now = f.now.Add(time.Second)
		f.end(key)
		count[key.Tenant]++
	}
	return count
}

// weights gives tenants their weight; who is not named has that of a zero Share.
func weights(of map[string]float64) func(string) Share {
	return func(tenant string) Share { return Share{Weight: of[tenant]} }
}

func TestTenantsShareByWeight(t *testing.T) {
	f := newFloor(t, Fairness{Share: weights(map[string]float64{"ada": 3})})
	f.create("flood", Interactive, 500)
	if got := f.serve(50); got["flood"] != 50 {
		t.Fatalf("alone it had %v", got)
	}
	f.create("ada", Interactive, 100)
	f.create("bob", Interactive, 100)
	// 3 : 1 : 1, whoever came first and however many wait.
	if got := f.serve(50); got["ada"] != 30 || got["bob"] != 10 || got["flood"] != 10 {
		t.Errorf("got %v", got)
	}
}

func TestATenantThatWasAwayDoesNotCatchUp(t *testing.T) {
	f := newFloor(t, Fairness{})
	f.create("ada", Interactive, 300)
	f.create("bob", Interactive, 1)
	f.serve(200)
	f.create("bob", Interactive, 100)
	if got := f.serve(20); got["bob"] < 9 || got["bob"] > 11 {
		t.Errorf("got %v", got)
	}
}

func TestBatchWaitsAndAges(t *testing.T) {
	f := newFloor(t, Fairness{Aging: 5 * time.Minute})
	f.create("bob", Batch, 1)
	f.create("ada", Interactive, 1000)
	if got := f.serve(299); got["bob"] != 0 {
		t.Errorf("batch went before interactive: %v", got)
	}
	if got := f.serve(3); got["bob"] != 1 {
		t.Errorf("after five minutes: %v", got)
	}
}

func TestCapsHoldInTheWholeMesh(t *testing.T) {
	f := newFloor(t, Fairness{Share: func(string) Share { return Share{MaxRunning: 2} }})
	f.create("ada", Interactive, 10)
	f.create("bob", Interactive, 1)
	count := map[string]int{}
	var last RecordKey
	for {
		key, ok := f.claim()
		if !ok {
			break
		}
		count[key.Tenant]++
		last = key
	}
	if count["ada"] != 2 || count["bob"] != 1 {
		t.Errorf("in flight are %v", count)
	}
	f.end(last)
	if key, ok := f.claim(); !ok || key.Tenant != "ada" {
		t.Errorf("after an end of %v: %v, %v", last, key, ok)
	}
}

// Whatever comes, every record has its turn within a bound, and the plan is what
// happens when nothing new comes.
func TestNobodyStarves(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		f := newFloor(t, Fairness{Aging: time.Minute, Share: func(tenant string) Share {
			return Share{Weight: map[string]float64{"a": 4, "b": 0.5}[tenant], MaxRunning: 3}
		}})
		f.create("d", Batch, 1)
		waits := RecordKey{"d", "000001"}
		done := false
		for round := 0; !done; round++ {
			if round > 200 {
				t.Fatalf("seed %d: a batch record still waits after %d seconds", seed, round)
			}
			for range random.IntN(3) {
				f.create(string('a'+rune(random.IntN(3))), Interactive, 1)
			}
			key, ok := f.claim()
			if !ok {
				continue
			}
			f.now = f.now.Add(time.Second)
			f.end(key)
			done = key == waits
		}
		for _, want := range f.l.plan(f.now) {
			got, ok := f.claim()
			if !ok || got != want {
				t.Fatalf("seed %d: %v was claimed, %v foretold", seed, got, want)
			}
			f.end(got)
		}
	}
}

func TestALineRefusesWhatCannotEndInTime(t *testing.T) {
	line, err := NewLine(nil, LineSettings{MaxWaiting: 30})
	if err != nil {
		t.Fatal(err)
	}
	f := newFloor(t, Fairness{})
	f.now = time.Now()
	line.ledger = f.l
	admit := func(tenant string, timeout time.Duration) error {
		key := RecordKey{tenant, "new"}
		defer line.Withdraw(key)
		return line.Admit(Admission{Key: key, Class: Interactive, Timeout: timeout, MaxInFlight: 25})
	}
	if err := admit("ada", time.Second); err != nil {
		t.Errorf("an empty line refused: %v", err)
	}
	f.create("ada", Interactive, 3)
	f.serve(2) // each took a second
	f.create("ada", Interactive, 19)
	// Twenty before it, one second each.
	if err := admit("ada", time.Minute); err != nil {
		t.Errorf("a long timeout: %v", err)
	}
	refused := fault.From(admit("ada", 12*time.Second))
	if refused.Reason != faultv1.Reason_REASON_QUOTA_EXHAUSTED || !refused.Retryable || refused.RetryAfter != 10*time.Second {
		t.Errorf("a short timeout: %+v", refused)
	}
	// Another tenant's turn comes sooner.
	if err := admit("bob", 12*time.Second); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	f.create("ada", Interactive, 5)
	if err := admit("ada", time.Hour); !fault.Is(err, faultv1.Reason_REASON_QUOTA_EXHAUSTED) {
		t.Errorf("a tenant's bound: %v", err)
	}
	f.create("bob", Batch, 5)
	if err := admit("eve", time.Hour); !fault.Is(err, faultv1.Reason_REASON_QUOTA_EXHAUSTED) {
		t.Errorf("the bound of all: %v", err)
	}
	first := line.Place(f.l.plan(f.now)[0])
	if first.Position != 1 || first.Remaining != 2*time.Second {
		t.Errorf("the first is at %+v", first)
	}
	if nobody := line.Place(RecordKey{"eve", "x"}); nobody != (Place{}) {
		t.Errorf("nobody is at %+v", nobody)
	}
}

// What waits for workers of another bundle, of whom there may be none, is not
// before anybody here.
func TestOtherBundlesHaveLinesOfTheirOwn(t *testing.T) {
	line, err := NewLine(nil, LineSettings{MaxWaiting: 1, Bundle: "ours"})
	if err != nil {
		t.Fatal(err)
	}
	f := newFloor(t, Fairness{})
	line.ledger = f.l
	theirs, ours := RecordKey{"ada", "1"}, RecordKey{"ada", "2"}
	f.write(theirs, &jobqueuev1.Record{Class: Interactive, Bundle: "theirs", CreateTime: timestamppb.New(f.now), Lease: &jobqueuev1.Lease{}})
	if err := line.Admit(Admission{Key: ours, Class: Interactive, Timeout: time.Hour}); err != nil {
		t.Errorf("the first of this line: %v", err)
	}
	if place := line.Place(ours); place.Position != 1 {
		t.Errorf("it is at %+v", place)
	}
	if place := line.Place(theirs); place != (Place{}) {
		t.Errorf("that of the other line is at %+v", place)
	}
}

// Who is admitted counts at once, though the watch tells of it later.
func TestAnAdmittedRecordCounts(t *testing.T) {
	line, err := NewLine(nil, LineSettings{})
	if err != nil {
		t.Fatal(err)
	}
	f := newFloor(t, Fairness{})
	line.ledger = f.l
	join := func(id string) error {
		return line.Admit(Admission{Key: RecordKey{"ada", id}, Class: Interactive, Timeout: time.Hour, MaxInFlight: 2})
	}
	for _, id := range []string{"000001", "b"} {
		if err := join(id); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
	}
	refused := fault.From(join("c"))
	if refused.Reason != faultv1.Reason_REASON_QUOTA_EXHAUSTED || refused.Limit == nil || *refused.Limit != (fault.Limit{Name: "in-flight", Value: 2}) {
		t.Errorf("the third: %+v", refused)
	}
	line.Withdraw(RecordKey{"ada", "b"})
	if err := join("c"); err != nil {
		t.Errorf("after one was withdrawn: %v", err)
	}
	f.create("ada", Interactive, 1) // 000001 is seen
	line.Withdraw(RecordKey{"ada", "000001"})
	if err := join("d"); err == nil {
		t.Error("a record that is there was withdrawn")
	}
	f.end(RecordKey{"ada", "000001"})
	if err := join("d"); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
}
