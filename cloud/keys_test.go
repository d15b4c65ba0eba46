package cloud_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	faultv1 "github.com/facestudio/facestudio/proto/gen/facestudio/fault/v1"
	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/seal"
)

const keyName = "alias/facestudio"

// keyService answers Encrypt and Decrypt of AWS KMS with one key. What it calls
// encrypted is the plain text behind the key's name.
func keyService(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		KeyID                     string `json:"KeyId"`
		Plaintext, CiphertextBlob []byte
	}
	err := json.NewDecoder(r.Body).Decode(&asked)
	answer := map[string]any{"KeyId": keyName}
	plain, ours := bytes.CutPrefix(asked.CiphertextBlob, []byte(keyName))
	switch operation := r.Header.Get("X-Amz-Target"); {
	case err == nil && operation == "TrentService.Encrypt" && asked.KeyID == keyName:
		answer["CiphertextBlob"] = append([]byte(keyName), asked.Plaintext...)
	case err == nil && operation == "TrentService.Decrypt" && ours:
		answer["Plaintext"] = plain
	default:
		http.Error(w, `{"__type":"NotFoundException"}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(answer)
}

// ring opens a ring on a store, with key-encryption keys by their URLs.
func ring(t *testing.T, store seal.Store, urls ...string) *seal.Ring {
	t.Helper()
	keeper, err := seal.OpenKeeper(t.Context(), urls...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keeper.Close() })
	r, err := seal.New(store, keeper)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeysByURL(t *testing.T) {
	credentials(t)
	server := httptest.NewServer(http.HandlerFunc(keyService))
	t.Cleanup(server.Close)
	own := "base64key://" + base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	kms := "awskms://" + keyName + "?endpoint=" + server.URL
	for name, urls := range map[string]struct{ before, after []string }{
		"one's own":       {[]string{own}, []string{own}},
		"a key service's": {[]string{kms}, []string{kms}},
		"rotation":        {[]string{own}, []string{kms, own}},
	} {
		t.Run(name, func(t *testing.T) {
			store := seal.NewMemoryStore()
			of, at := seal.Shared("ada"), seal.Place{Purpose: "result", Name: "one"}
			box, err := ring(t, store, urls.before...).Seal(t.Context(), of, at, []byte("a face"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ring(t, store, urls.after...).Rewrap(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, _, err := ring(t, store, urls.after[0]).Open(t.Context(), "ada", at, box)
			if err != nil || string(got) != "a face" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	credentials(t)
	server := httptest.NewServer(http.HandlerFunc(keyService))
	t.Cleanup(server.Close)
	r := ring(t, seal.NewMemoryStore(), "awskms://alias/another?endpoint="+server.URL)
	if _, err := r.Seal(t.Context(), seal.Shared("ada"), seal.Place{}, nil); !fault.Is(err, faultv1.Reason_REASON_UNAVAILABLE) {
		t.Errorf("an unknown key got %v", err)
	}
}
