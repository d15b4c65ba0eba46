package gateway_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/facestudio/facestudio/gateway"
	"github.com/facestudio/facestudio/services/config"
)

func TestAuthSettings(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "admin.key")
	for range 2 { // the second time it is there
		if err := gateway.MakeAdminKey(key); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	if err := gateway.MakeAdminKey(filepath.Join(dir, "no", "key")); err == nil {
		t.Error("a key was made in no folder")
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"off", nil, ""},
		{"on", []string{"--auth", "--admin-key-file", key}, ""},
		{"tokens", []string{"--auth", "--jwt-issuer=https://id.example", "--jwt-audience=facestudio"}, ""},
		{"tokens that nobody wants", []string{"--jwt-issuer=https://id.example", "--jwt-audience=facestudio"}, "auth"},
		{"a key that nobody wants", []string{"--admin-key-file", key}, "auth"},
		{"no key in the file", []string{"--auth", "--admin-key-file", bad}, "admin-key-file"},
		{"no file", []string{"--auth", "--admin-key-file", bad + "x"}, "admin-key-file"},
		{"an issuer in clear text", []string{"--auth", "--jwt-issuer=http://id.example", "--jwt-audience=a"}, "jwt-issuer"},
		{"an issuer that is no URL, with keys", []string{"--auth", "--jwt-issuer=us", "--jwt-audience=a", "--jwt-keys=https://id.example/keys"}, ""},
		{"keys in clear text", []string{"--auth", "--jwt-issuer=us", "--jwt-audience=a", "--jwt-keys=http://id.example/keys"}, "jwt-keys"},
		{"no keys in the file", []string{"--auth", "--jwt-issuer=us", "--jwt-audience=a", "--jwt-keys", bad}, "jwt-keys"},
		{"no audience", []string{"--auth", "--jwt-issuer=https://id.example"}, "jwt-audience"},
		{"no claim", []string{"--auth", "--jwt-issuer=https://id.example", "--jwt-audience=a", "--jwt-tenant-claim="}, "jwt-tenant-claim"},
		{"no proxy", []string{"--auth", "--trusted-proxies=10.0.0.0/8,proxy"}, "trusted-proxies"},
		{"proxies", []string{"--auth", "--trusted-proxies=10.0.0.0/8,::1"}, ""},
		{"fewer failures than none", []string{"--auth", "--auth-failures=-1"}, "auth-failures"},
		{"much skew", []string{"--auth", "--jwt-issuer=https://id.example", "--jwt-audience=a", "--jwt-skew=1h"}, "jwt-skew"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var c gateway.Auth
			err := config.NewSet("test", &c).Load(test.args, func(string) (string, bool) { return "", false })
			if test.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			invalid, ok := errors.AsType[*config.InvalidError](err)
			if !ok || len(invalid.Problems) != 1 || invalid.Problems[0].Setting != test.want || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want one problem with %s", err, test.want)
			}
		})
	}
}
