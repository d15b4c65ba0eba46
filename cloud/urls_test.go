package cloud_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/blob"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
	"github.com/facestudio/facestudio/services/testkit"
)

// environment gives every SDK what it opens with, none of it this machine's:
// nothing is asked over the network before a bucket or key is used.
func environment(t *testing.T) {
	t.Helper()
	credentials(t)
	google := filepath.Join(t.TempDir(), "google.json")
	account := `{"type":"service_account","project_id":"studio","client_email":"studio@example.com","private_key":"none"}`
	if err := os.WriteFile(google, []byte(account), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": google,
		"AZURE_STORAGE_ACCOUNT":          "studio",
		"AZURE_STORAGE_KEY":              "bm9uZQ==",
		"VAULT_ADDR":                     "http://127.0.0.1:1",
		"VAULT_TOKEN":                    "none",
	} {
		t.Setenv(name, value)
	}
}

func TestBucketsByURL(t *testing.T) {
	environment(t)
	for location, wrong := range map[string]string{
		"s3://pictures":             "",
		"s3://pictures?colour=blue": "colour",
		"gs://pictures":             "",
		"gs://pictures?colour=blue": "colour",
		"gs://":                     "bucket",
		"azblob://pictures":         "",
		"azblob://pictures?storage_account=another":    "",
		"azblob://pictures?protocol=gopher":            "gopher",
		"azblob://pictures?colour=blue":                "colour",
		"azblob://":                                    "bucket",
		"s3://":                                        "bucket",
		"ftp://pictures":                               "azblob, file, gs, mem, s3",
		"https://studio.blob.core.windows.net/picture": "azblob, file, gs, mem, s3",
	} {
		t.Run(location, func(t *testing.T) {
			s, err := blob.Open(t.Context(), location, testkit.Ring(t))
			if wrong != "" {
				refused(t, err, "blob-url", wrong)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKeyServicesByURL(t *testing.T) {
	environment(t)
	for location, wrong := range map[string]string{
		"awskms://alias/facestudio?region=eu-central-1":                                            "",
		"awskms://alias/facestudio?colour=blue":                                                    "colour",
		"gcpkms://projects/studio/locations/europe-west3/keyRings/studio/cryptoKeys/facestudio":    "",
		"gcpkms://projects/studio/locations/europe-west3/keyRings/studio/cryptoKeys/facestudio?v=": "\"v\"",
		"azurekeyvault://studio.vault.azure.net/keys/facestudio":                                   "",
		"azurekeyvault://studio.vault.azure.net/keys/facestudio?algorithm=RSA-OAEP-256":            "",
		"azurekeyvault://studio.vault.azure.net/facestudio":                                        "keys/",
		"azurekeyvault://studio.vault.azure.net/keys/facestudio?colour=blue":                       "colour",
		"hashivault://facestudio":                                                                  "",
		"hashivault://facestudio?engine=transit":                                                   "",
		"hashivault://":                                                                            "names no key",
		"gcpkms://":                                                                                "names no key",
		"hashivault://facestudio?colour=blue":                                                      "colour",
		"otherkms://facestudio":                                                                    "awskms, azurekeyvault, base64key, gcpkms, hashivault",
	} {
		t.Run(location, func(t *testing.T) {
			keeper, err := seal.OpenKeeper(t.Context(), location)
			if wrong != "" {
				refused(t, err, "seal-keys", wrong)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := keeper.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// refused wants a fault that names the flag and tells what is wrong.
func refused(t *testing.T, err error, flag, wrong string) {
	t.Helper()
	if !fault.Is(err, faultv1.Reason_REASON_CONFIG_INVALID) || fault.From(err).Field != flag || !strings.Contains(err.Error(), wrong) {
		t.Errorf("got %v, want a fault of --%s that tells %q", err, flag, wrong)
	}
}
