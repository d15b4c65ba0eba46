package blob_test

import (
	"testing"
	"time"

	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/seal"
)

func TestNamed(t *testing.T) {
	for _, location := range []string{"mem://", "file://" + t.TempDir()} {
		store, err := blob.Open(t.Context(), location, ring(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		has := func(tenant, name, want string) {
			t.Helper()
			data, ok, err := store.Saved(t.Context(), tenant, name)
			if err != nil || ok != (want != "") || string(data) != want {
				t.Errorf("%s has %q of %s: %v, want %q", tenant, data, name, err, want)
			}
		}
		has("a", "work/1", "")
		for _, data := range []string{"first", "second, and longer"} {
			if err := store.Save(t.Context(), seal.Shared("a"), "work/1", []byte(data)); err != nil {
				t.Fatal(err)
			}
			has("a", "work/1", data)
		}
		has("a", "work/2", "")
		has("b", "work/1", "")
		if n, err := store.Sweep(t.Context(), time.Now().Add(23*time.Hour)); n != 0 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
		has("a", "work/1", "second, and longer")
		if n, err := store.Sweep(t.Context(), time.Now().Add(25*time.Hour)); n != 1 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
		has("a", "work/1", "")
		if err := store.Save(t.Context(), seal.Shared("a"), "work/1", []byte("third")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := store.Forget(t.Context(), "a", "work/1"); err != nil {
				t.Fatal(err)
			}
			has("a", "work/1", "")
		}
		if err := store.Save(t.Context(), seal.Shared("../a"), "work", nil); err == nil {
			t.Error("a tenant that leaves its folder was accepted")
		}
	}
}
