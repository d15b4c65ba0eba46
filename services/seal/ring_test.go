package seal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/facestudio/facestudio/services/seal"
)

var (
	work  = seal.Scope{Tenant: "ada", Name: "work-1"}
	place = seal.Place{Purpose: "result", Name: "ada.o1"}
)

func ring(t *testing.T) *seal.Ring {
	t.Helper()
	r, err := seal.NewInMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sealed(t *testing.T, r *seal.Ring, of seal.Scope, at seal.Place, text string) []byte {
	t.Helper()
	out, err := r.Seal(t.Context(), of, at, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSealedValuesOpenInTheirPlaceAlone(t *testing.T) {
	r := ring(t)
	box := sealed(t, r, work, place, "a face")
	if bytes.Contains(box, []byte("a face")) || len(box) > len("a face")+seal.Overhead {
		t.Errorf("%d bytes: %q", len(box), box)
	}
	got, of, err := r.Open(t.Context(), "ada", place, box)
	if err != nil || string(got) != "a face" || of != work {
		t.Fatalf("got %q of %v, %v", got, of, err)
	}
	for name, open := range map[string]struct {
		tenant string
		at     seal.Place
		box    []byte
		want   error
	}{
		"another tenant":  {"bob", place, box, seal.ErrDestroyed},
		"another name":    {"ada", seal.Place{Purpose: "result", Name: "ada.o2"}, box, seal.ErrUnreadable},
		"another purpose": {"ada", seal.Place{Purpose: "work", Name: "ada.o1"}, box, seal.ErrUnreadable},
		"run together":    {"ada", seal.Place{Purpose: "resultada", Name: ".o1"}, box, seal.ErrUnreadable},
		"in the clear":    {"ada", place, []byte("a face in the clear"), seal.ErrUnreadable},
		"empty":           {"ada", place, nil, seal.ErrUnreadable},
		"cut":             {"ada", place, box[:40], seal.ErrUnreadable},
		"longer":          {"ada", place, append(slices.Clone(box), 0), seal.ErrUnreadable},
		"another version": {"ada", place, changed(box, 2), seal.ErrUnreadable},
		"another scope":   {"ada", place, changed(box, 4), seal.ErrDestroyed},
		"another key":     {"ada", place, changed(box, 4+len(work.Name)), seal.ErrDestroyed},
		"another nonce":   {"ada", place, changed(box, 4+len(work.Name)+8), seal.ErrUnreadable},
		"a changed byte":  {"ada", place, changed(box, len(box)-20), seal.ErrUnreadable},
		"a changed tag":   {"ada", place, changed(box, len(box)-1), seal.ErrUnreadable},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _, err := r.Open(t.Context(), open.tenant, open.at, open.box); !errors.Is(err, open.want) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func changed(box []byte, i int) []byte {
	out := slices.Clone(box)
	out[i] ^= 1
	return out
}

// Another tenant's scope of the same name has another key, so that a value which
// was copied there with its header does not open.
func TestTenantsHaveKeysOfTheirOwn(t *testing.T) {
	r := ring(t)
	box := sealed(t, r, work, place, "a face")
	sealed(t, r, seal.Scope{Tenant: "bob", Name: work.Name}, place, "another")
	if got, _, err := r.Open(t.Context(), "bob", place, box); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDestroyedKeysOpenNothing(t *testing.T) {
	r := ring(t)
	box := sealed(t, r, work, place, "a face")
	other := sealed(t, r, seal.Shared("ada"), place, "a text")
	for want := range []bool{true, false} {
		there, err := r.Destroy(t.Context(), work)
		if err != nil || there != (want == 0) {
			t.Fatalf("destroyed: %v, %v", there, err)
		}
	}
	if got, _, err := r.Open(t.Context(), "ada", place, box); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := r.SealExisting(t.Context(), work, place, nil); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("a late value got %v", err)
	}
	if got, _, err := r.Open(t.Context(), "ada", place, other); err != nil || string(got) != "a text" {
		t.Errorf("got %q, %v", got, err)
	}
	// A new key for the same scope is another key.
	sealed(t, r, work, place, "again")
	if got, _, err := r.Open(t.Context(), "ada", place, box); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNoncesAreNeverRepeated(t *testing.T) {
	r := ring(t)
	const each = 500
	var mu sync.Mutex
	seen := make(map[string]bool)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range each {
				box, err := r.Seal(context.WithoutCancel(t.Context()), work, place, nil)
				if err != nil {
					t.Error(err)
					return
				}
				nonce := string(box[4+len(work.Name)+8:][:24])
				mu.Lock()
				if seen[nonce] {
					t.Errorf("nonce %x twice", nonce)
				}
				seen[nonce] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(seen) != 8*each {
		t.Errorf("%d nonces", len(seen))
	}
}

func TestNamesTellNothingAndStay(t *testing.T) {
	r := ring(t)
	name := func(tenant, purpose, text string) string {
		t.Helper()
		out, err := r.Name(t.Context(), seal.Shared(tenant), purpose, text)
		if err != nil || len(out) != 64 {
			t.Fatalf("%q, %v", out, err)
		}
		return out
	}
	first := name("ada", "blob", "digest")
	if name("ada", "blob", "digest") != first {
		t.Error("it does not stay")
	}
	for _, other := range []string{name("bob", "blob", "digest"), name("ada", "name", "digest"), name("ada", "blob", "digests")} {
		if other == first {
			t.Error("two names are the same")
		}
	}
	if _, err := r.Destroy(t.Context(), seal.Shared("ada")); err != nil {
		t.Fatal(err)
	}
	if name("ada", "blob", "digest") == first {
		t.Error("the name outlives its key")
	}
}

// More scopes than are held in memory.
func TestManyScopes(t *testing.T) {
	r := ring(t)
	boxes := make([][]byte, 1500)
	for i := range boxes {
		boxes[i] = sealed(t, r, seal.Scope{Tenant: "ada", Name: fmt.Sprint("work-", i)}, place, strconv.Itoa(i))
	}
	for i, box := range boxes {
		if got, _, err := r.Open(t.Context(), "ada", place, box); err != nil || string(got) != strconv.Itoa(i) {
			t.Fatalf("%d is %q, %v", i, got, err)
		}
	}
}

func TestScopesHaveNames(t *testing.T) {
	r := ring(t)
	for _, of := range []seal.Scope{{Tenant: "ada"}, {Name: "x"}, {Tenant: "ada", Name: string(make([]byte, 64))}} {
		if _, err := r.Seal(t.Context(), of, place, nil); err == nil {
			t.Errorf("%v is a scope", of)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	r, err := seal.NewInMemory(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 64<<10)
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		if _, err := r.Seal(b.Context(), work, place, value); err != nil {
			b.Fatal(err)
		}
	}
}
