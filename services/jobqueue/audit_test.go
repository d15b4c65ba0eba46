package jobqueue_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/facestudio/facestudio/services/jobqueue"
	"github.com/facestudio/facestudio/services/seal"
)

func TestTheAuditLogOnlyGrows(t *testing.T) {
	dir := t.TempDir()
	h := newHouseIn(t, dir, quick())
	log, err := h.q.Audit(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for i, tenant := range []string{"ada", "bob", "ada"} {
		if err := log.Append(t.Context(), tenant, fmt.Appendf(nil, "%s did %d", tenant, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Append(t.Context(), "*", nil); err == nil {
		t.Error("a wild tenant has an entry")
	}
	list := func(f jobqueue.AuditFilter, most int) (out []string) {
		t.Helper()
		err := log.List(t.Context(), f, func(e jobqueue.AuditEntry) bool {
			out = append(out, fmt.Sprint(e.Number, " ", e.Tenant, " ", string(e.Value)))
			if e.Time.IsZero() {
				t.Error("it has no time")
			}
			return len(out) < most
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	all := []string{"1 ada ada did 0", "2 bob bob did 1", "3 ada ada did 2"}
	for name, c := range map[string]struct {
		filter jobqueue.AuditFilter
		most   int
		want   []string
	}{
		"all":        {jobqueue.AuditFilter{}, 10, all},
		"two":        {jobqueue.AuditFilter{}, 2, all[:2]},
		"one's":      {jobqueue.AuditFilter{Tenant: "ada"}, 10, []string{all[0], all[2]}},
		"after":      {jobqueue.AuditFilter{After: 2}, 10, all[2:]},
		"since":      {jobqueue.AuditFilter{Since: time.Now().Add(-time.Hour)}, 10, all},
		"in a while": {jobqueue.AuditFilter{Since: time.Now().Add(time.Hour)}, 10, nil},
	} {
		if got := list(c.filter, c.most); !slices.Equal(got, c.want) {
			t.Errorf("%s are %q", name, got)
		}
	}
	js, err := jetstream.New(h.nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "AUDIT")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 1); err == nil {
		t.Error("an entry can be deleted")
	}
	if err := stream.Purge(t.Context()); err == nil {
		t.Error("the log can be purged")
	}
	if onDisk(t, dir, "ada did") {
		t.Error("it is in the files in the clear")
	}
	if _, err := h.q.Ring().Destroy(t.Context(), seal.Shared("ada")); err != nil {
		t.Fatal(err)
	}
	if got := list(jobqueue.AuditFilter{}, 10); !slices.Equal(got, []string{"1 ada ", all[1], "3 ada "}) {
		t.Errorf("without the key of one are %q", got)
	}
	if _, err := h.q.Audit(t.Context(), 2*time.Hour); err == nil {
		t.Error("another age is accepted without a word")
	}
}
