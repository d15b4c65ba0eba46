package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	up := startUp(t, "--auth")
	dir := t.TempDir()
	file := filepath.Join(dir, "acme.key")
	as := func(keyFile string, args ...string) []string {
		return append(args, "--server", up.Listen, "--api-key-file", keyFile)
	}
	admin := up.AdminKeyFile
	made := run(t.Context(), t, as(admin, "keys", "create", "--tenant", "acme", "--label", "shop", "-o", file)...)
	if made.code != 0 || made.out != file+"\n" || !strings.Contains(made.errs, "generations:write") {
		t.Fatalf("got %+v", made)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(string(text))
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || strings.Contains(made.errs, key) {
		t.Errorf("the key is not its owner's alone: %v, %v, %s", info.Mode(), err, made.errs)
	}
	printed := run(t.Context(), t, as(admin, "keys", "create", "--tenant", "bob", "--scope", "admin,generations:read", "--ttl", "1h", "--json")...)
	var said struct {
		Secret string
		Key    struct{ ID string }
	}
	if err := json.Unmarshal([]byte(printed.out), &said); err != nil || !strings.HasPrefix(said.Secret, "fsk_"+said.Key.ID+"_") {
		t.Fatalf("%v: %+v", err, printed)
	}
	wrong, empty := filepath.Join(dir, "wrong.key"), filepath.Join(dir, "empty.key")
	for path, text := range map[string]string{wrong: key[:len(key)-1], empty: "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id := strings.Split(key, "_")[1]
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"a tenant's key", as(file, "generations", "list"), 0, "GENERATION"},
		{"the key itself", []string{"generations", "list", "--server", up.Listen, "--api-key", key}, 0, "GENERATION"},
		{"subjects", as(file, "subjects", "list"), 0, "SUBJECT"},
		{"no key", []string{"generations", "list", "--server", up.Listen}, 2, "CREDENTIALS_MISSING"},
		{"a wrong key", as(wrong, "generations", "list"), 2, "CREDENTIALS_INVALID"},
		{"an empty file", as(empty, "generations", "list"), 2, "one line"},
		{"no file", as(filepath.Join(dir, "none"), "generations", "list"), 2, "api-key-file"},
		{"two keys", as(file, "generations", "list", "--api-key", key), 2, "one of them"},
		{"in clear text", []string{"generations", "list", "--server", "203.0.113.7:7433", "--api-key", key}, 2, "--tls"},
		{"an operator's call", as(file, "dead", "list"), 2, "SCOPE_MISSING"},
		{"a tenant's call", as(admin, "generations", "list"), 2, "SCOPE_MISSING"},
		{"the list", as(admin, "keys", "list"), 0, key[len(key)-4:]},
		{"the list of one", as(admin, "keys", "list", "--tenant", "bob", "--json"), 0, `"admin"`},
		{"no tenant", as(admin, "keys", "create"), 2, "--tenant"},
		{"no scope of ours", as(admin, "keys", "create", "--tenant", "acme", "--scope", "root"), 3, "root"},
		{"a file that is there", as(admin, "keys", "create", "--tenant", "acme", "-o", file), 2, "--output"},
		{"no such key", as(admin, "keys", "revoke", "0123456789abcdef"), 3, "UNKNOWN_KEY"},
		{"no id", as(admin, "keys", "revoke", "all"), 3, "UNKNOWN_KEY"},
		{"revoke by id", as(admin, "keys", "revoke", id), 0, id},
		{"revoke the key itself", as(admin, "keys", "revoke", said.Secret, "--json"), 0, "revoked"},
		{"a revoked key", as(file, "generations", "list"), 2, "CREDENTIALS_INVALID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := run(t.Context(), t, c.args...)
			if got.code != c.code || !strings.Contains(got.out+got.errs, c.says) {
				t.Errorf("exit code %d, want %d, and it must say %q:\n%s%s", got.code, c.code, c.says, got.out, got.errs)
			}
			if strings.Contains(got.out+got.errs, key) {
				t.Errorf("it tells the key:\n%s%s", got.out, got.errs)
			}
		})
	}
}
