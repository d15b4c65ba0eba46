package seal_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

func keyFile(t *testing.T, path string) *seal.Keeper {
	t.Helper()
	k, err := seal.OpenKeyFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func TestKeyFilesAreMadeOnceAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			k, err := seal.OpenKeyFile(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			_ = k.Close()
		})
	}
	all.Wait()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	before, err := os.ReadFile(path)
	if err != nil || strings.Count(string(before), "base64key://") != 1 {
		t.Fatalf("%s, %v", before, err)
	}
	keyFile(t, path)
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("it was written again: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("%v are left, %v", left, err)
	}
	if err := os.Chmod(path, 0o644); err != nil { //nolint:gosec // that is the point
		t.Fatal(err)
	}
	if _, err := seal.OpenKeyFile(t.Context(), path); !fault.Is(err, faultv1.Reason_REASON_CONFIG_INVALID) || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others can read got %v", err)
	}
}

func TestBadKeysAreNamedWithoutTellingThem(t *testing.T) {
	const secret = "c2VjcmV0"
	for name, urls := range map[string][]string{
		"none":      nil,
		"no url":    {secret},
		"too short": {"base64key://" + secret},
		"no driver": {"otherkms://" + secret},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := seal.OpenKeeper(t.Context(), urls...)
			if !fault.Is(err, faultv1.Reason_REASON_CONFIG_INVALID) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v tells the key", err)
			}
		})
	}
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	store := seal.NewMemoryStore()
	open := func() *seal.Ring {
		t.Helper()
		r, err := seal.New(store, keyFile(t, path))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	here, elsewhere := open(), open()
	box := sealed(t, here, work, place, "a face")
	name, err := here.Name(t.Context(), work, "blob", "x")
	if err != nil {
		t.Fatal(err)
	}
	opens := func(r *seal.Ring) {
		t.Helper()
		if got, _, err := r.Open(t.Context(), "ada", place, box); err != nil || string(got) != "a face" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	id, err := seal.AddKey(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []seal.Rewrapped{{Newest: id, Keys: 1}, {Newest: id, Before: 1}} {
		got, err := here.Rewrap(t.Context())
		if err != nil || got.Newest != id || got.Keys != want.Keys || got.Before != want.Before || len(got.Old) != 1 {
			t.Errorf("rewrap %d got %+v, %v", i, got, err)
		}
	}
	// A process that was open before wraps with it at once.
	later := sealed(t, elsewhere, seal.Shared("ada"), place, "another")
	// And it finds by itself what that wrapped elsewhere.
	opens(elsewhere)
	if again, err := elsewhere.Name(t.Context(), work, "blob", "x"); err != nil || again != name {
		t.Errorf("the name is %s, was %s: %v", again, name, err)
	}
	// The old key is needed no more.
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.SplitAfter(string(data), "\n")[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	opens(open())
	if got, _, err := open().Open(t.Context(), "ada", place, later); err != nil || string(got) != "another" {
		t.Errorf("what was sealed elsewhere meanwhile is %q, %v", got, err)
	}
	// Without the new one nothing opens, and the error says what to do.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, _, err = open().Open(t.Context(), "ada", place, box)
	if !fault.Is(err, faultv1.Reason_REASON_CONFIG_INVALID) || !strings.Contains(err.Error(), id) {
		t.Errorf("got %v", err)
	}
}

// A wrapped key that was copied to another tenant's place is refused.
func TestMovedKeysAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	store := seal.NewMemoryStore()
	r, err := seal.New(store, keyFile(t, path))
	if err != nil {
		t.Fatal(err)
	}
	sealed(t, r, work, place, "a face")
	stored, err := store.Get(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	theirs := seal.Scope{Tenant: "bob", Name: work.Name}
	if err := store.Create(t.Context(), theirs, stored.Value); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seal(t.Context(), theirs, place, nil); err == nil {
		t.Error("a moved key seals")
	}
}
